/** Who works here: slots, how they are, drained and resumed. */
import { Show, createMemo } from 'solid-js';
import type { ActorsAnswer } from '../../protocol/devtools.ts';
import type { SlaveStatus } from '../../protocol/http.ts';
import { parseInstant } from '../base/clock.ts';
import { navigate } from '../base/router.ts';
import { duration } from '../base/text.ts';
import { useAnswer, useNow } from '../base/use.ts';
import { Badge, Fault, SlaveLink } from '../parts/basics.tsx';
import { Slots } from '../parts/slots.tsx';
import { Table } from '../parts/table.tsx';
import type { Column } from '../parts/table.tsx';
import { drainSlave, resumeSlave } from '../slaves.ts';

export default function SlavesPage() {
  const slaves = useAnswer<SlaveStatus[]>(() => '/api/slaves', {
    refreshOn: () => true,
    everyMs: 1000,
    pollMs: 2000,
  });
  // Heartbeats are no events; what each slave said last is among the actors.
  const actors = useAnswer<ActorsAnswer>(() => '/api/actors', { pollMs: 2000 });
  const lastHeard = createMemo(
    () => new Map(actors.data()?.actors.map(({ id, lastMessage }) => [id, lastMessage?.at])),
  );
  const now = useNow();
  const act = async (done: Promise<boolean>) => {
    if (await done) slaves.refresh();
  };
  const columns: Column<SlaveStatus>[] = [
    { name: 'Slave', width: 'minmax(56px, 1fr)', cell: ({ name }) => <SlaveLink name={name} /> },
    { name: 'State', width: '88px', cell: ({ state }) => <Badge state={state} /> },
    {
      name: 'Slots',
      width: 'minmax(72px, 1fr)',
      cell: ({ used, slots }) => <Slots used={used} slots={slots} />,
    },
    {
      name: 'Heard',
      width: '90px',
      cell: (slave) => (
        <span class="number">{heard(slave, now(), lastHeard().get(`slave/${slave.name}`))}</span>
      ),
      isExtra: true,
    },
    { name: 'Arch', width: '80px', cell: ({ arch }) => arch, isExtra: true },
    {
      name: 'Labels',
      width: 'minmax(0, 1fr)',
      cell: ({ labels }) => (
        <span class="soft">
          {Object.entries(labels)
            .map(([key, value]) => `${key}=${value}`)
            .join(' ')}
        </span>
      ),
      isExtra: true,
    },
    { name: 'Version', width: '70px', cell: ({ version }) => version, isExtra: true },
    {
      name: 'Service',
      width: 'minmax(80px, 1.4fr)',
      cell: (slave) => (
        <Show
          when={slave.drain}
          fallback={<button onClick={() => void act(drainSlave(slave))}>Drain</button>}
        >
          {(drain) => (
            <>
              <button onClick={() => void act(resumeSlave(slave))}>Resume</button>{' '}
              <span class="soft" title={`by ${drain().by}`}>
                {drain().note}
              </span>
            </>
          )}
        </Show>
      ),
    },
  ];
  return (
    <div class="grid">
      <h1 class="unseen">Slaves</h1>
      <Fault error={slaves.error()} />
      <section class="panel" aria-label="Slaves">
        <Table
          label="Slaves"
          rows={slaves.data() ?? []}
          columns={columns}
          keyOf={({ name }) => name}
          onOpen={({ name }) => navigate(`/slaves/${name}`)}
          rowHeight={42}
          hasKeys
          empty={
            <>
              No slave has come yet. Start one: <code>runyard slave --master URL</code>
            </>
          }
        />
      </section>
    </div>
  );
}

/** How long ago it was heard: its last message, or when it came or went. */
export function heard({ seenAt }: SlaveStatus, now: number, lastAt?: string): string {
  const at = lastAt ?? seenAt;
  return at === undefined ? 'never' : `${duration(Math.max(0, now - parseInstant(at)))} ago`;
}
