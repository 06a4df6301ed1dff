/** Who is alive: the master, its slaves, the runs that are not done. */
import { Show, createMemo } from 'solid-js';
import type { ActorView, ActorsAnswer } from '../../protocol/devtools.ts';
import { parseInstant } from '../base/clock.ts';
import { query, setQuery } from '../base/router.ts';
import { count, duration } from '../base/text.ts';
import { useAnswer, useNow } from '../base/use.ts';
import { Badge, Fault } from '../parts/basics.tsx';
import { Table } from '../parts/table.tsx';
import type { Column } from '../parts/table.tsx';
import '../styles/actors.css';

export default function ActorsPage() {
  const answer = useAnswer<ActorsAnswer>(() => '/api/actors', {
    refreshOn: () => true,
    everyMs: 1000,
    pollMs: 3000,
  });
  const now = useNow();
  const rows = createMemo(() => {
    const wanted = (query('q') ?? '').toLowerCase();
    return tree(answer.data()?.actors ?? []).filter(({ actor }) =>
      `${actor.id} ${actor.name ?? ''} ${actor.state}`.toLowerCase().includes(wanted),
    );
  });
  const columns: Column<Node>[] = [
    {
      name: 'Actor',
      width: 'minmax(170px, 2fr)',
      cell: ({ actor, depth }) => (
        <span class={`actor depth-${Math.min(depth, 3)}`}>
          <Show when={hrefOf(actor)} fallback={<strong>{actor.id}</strong>}>
            {(href) => (
              <a class="mono" href={href()}>
                {actor.id}
              </a>
            )}
          </Show>
        </span>
      ),
    },
    { name: 'State', width: '170px', cell: ({ actor }) => <Badge state={actor.state} /> },
    { name: 'Name', width: 'minmax(0, 2fr)', cell: ({ actor }) => actor.name ?? '', isExtra: true },
    {
      name: 'Messages',
      width: '90px',
      cell: ({ actor }) => <span class="number">{count(actor.messages)}</span>,
      isExtra: true,
    },
    {
      name: 'Last message',
      width: 'minmax(0, 1.4fr)',
      cell: ({ actor }) => (
        <Show when={actor.lastMessage}>
          {(last) => (
            <span>
              <code>{last().type}</code>{' '}
              <span class="soft number">
                {duration(Math.max(0, now() - parseInstant(last().at)))} ago
              </span>
            </span>
          )}
        </Show>
      ),
      isExtra: true,
    },
  ];
  return (
    <div class="grid">
      <h1 class="unseen">Actors</h1>
      <div class="bar">
        <input
          type="search"
          class="grow"
          data-search
          aria-label="Search actors"
          placeholder="run/…, slave/…, a name, a state"
          value={query('q') ?? ''}
          onInput={({ currentTarget }) => setQuery({ q: currentTarget.value })}
        />
        <span class="soft number">{count(answer.data()?.liveRuns ?? 0)} live runs</span>
      </div>
      <Fault error={answer.error()} />
      <section class="panel" aria-label="Actors">
        <Table
          label="Actors"
          rows={rows()}
          columns={columns}
          keyOf={({ actor }) => actor.id}
          heightMax={Math.max(360, window.innerHeight - 190)}
          hasKeys
        />
      </section>
    </div>
  );
}

interface Node {
  actor: ActorView;
  depth: number;
}

/** Each actor below the one that it belongs to. */
export function tree(actors: readonly ActorView[]): Node[] {
  const below = new Map<string | undefined, ActorView[]>();
  const known = new Set(actors.map(({ id }) => id));
  for (const actor of actors) {
    const parent = actor.parent !== undefined && known.has(actor.parent) ? actor.parent : undefined;
    below.set(parent, [...(below.get(parent) ?? []), actor]);
  }
  const walk = (parent: string | undefined, depth: number): Node[] =>
    (below.get(parent) ?? []).flatMap((actor) => [{ actor, depth }, ...walk(actor.id, depth + 1)]);
  return walk(undefined, 0);
}

function hrefOf({ kind, id }: ActorView): string | undefined {
  const name = id.slice(id.indexOf('/') + 1);
  if (kind === 'run') return `/runs/${name}/machine`;
  return kind === 'slave' ? `/slaves/${name}` : undefined;
}
