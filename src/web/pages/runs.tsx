/** All runs: found by qualifiers, aborted and run again together. */
import { Show, createMemo, createSignal } from 'solid-js';
import { parseInstant, wall } from '../base/clock.ts';
import { useKeys } from '../base/keys.ts';
import { navigate, query, setQuery } from '../base/router.ts';
import { count, duration, plural } from '../base/text.ts';
import { useNow } from '../base/use.ts';
import type { RunStatus } from '../../protocol/run.ts';
import { isDone } from '../base/words.ts';
import { Fault, RunBadge, RunLink, SlaveLink } from '../parts/basics.tsx';
import { Table } from '../parts/table.tsx';
import type { Column } from '../parts/table.tsx';
import { abortRuns, rerunRuns } from '../run/actions.ts';
import { fitsQuery, parseQuery, pathOf } from '../runs/query.ts';
import { useRuns } from '../runs/list.ts';

export default function RunsPage() {
  const parsed = createMemo(() => parseQuery(query('q') ?? '', wall()));
  const list = useRuns(() => pathOf(parsed()));
  const rows = createMemo(() => list.runs().filter((run) => fitsQuery(run, parsed())));
  const [picked, setPicked] = createSignal<ReadonlySet<string>>(new Set());
  const chosen = () => rows().filter(({ runId }) => picked().has(runId));
  const now = useNow();
  const columns = columnsOf(picked, setPicked, now);
  const act = async (done: Promise<boolean>) => {
    if (!(await done)) return;
    setPicked(new Set<string>());
    list.refresh();
  };
  useKeys('Runs', [
    { key: 'x', does: 'pick all that are shown, or none', act: () => pickAll() },
    { key: 'Shift+A', does: 'abort those picked', act: () => void act(abortRuns(chosen())) },
  ]);
  const pickAll = () =>
    setPicked((before) => new Set(before.size > 0 ? [] : rows().map(({ runId }) => runId)));
  return (
    <div class="grid">
      <h1 class="unseen">Runs</h1>
      <div class="bar">
        <Search faults={parsed().faults} />
        <span class="soft number" aria-live="polite">
          {list.hasMore() ? `${count(rows().length)}+ runs` : plural(rows().length, 'run')}
        </span>
        <Show
          when={chosen().length > 0}
          fallback={
            <button onClick={pickAll} disabled={rows().length === 0}>
              Pick all
            </button>
          }
        >
          <button class="is-danger" onClick={() => void act(abortRuns(chosen()))}>
            Abort {plural(chosen().filter(({ state }) => !isDone(state)).length, 'run')}
          </button>
          <button onClick={() => void act(rerunRuns(chosen()))}>
            Run {count(chosen().length)} again
          </button>
          <button onClick={pickAll}>Pick none</button>
        </Show>
      </div>
      <Fault error={list.error()} />
      <section class="panel" aria-label="Runs">
        <Table
          label="Runs"
          rows={rows()}
          columns={columns}
          keyOf={({ runId }) => runId}
          onOpen={({ runId }) => navigate(`/runs/${runId}`)}
          heightMax={Math.max(360, window.innerHeight - 190)}
          onEnd={list.more}
          hasKeys
          empty={list.isLoading() ? 'Searching…' : list.searchedTo() ? 'None so far.' : <Nothing />}
        />
        <Show when={list.searchedTo()}>
          {(id) => (
            <p class="bar searched" data-searched-to={id()}>
              <span class="soft">
                Searched down to <RunLink id={id()} />; there are older runs.
              </span>
              <button onClick={list.more} disabled={list.isLoading()}>
                {list.isLoading() ? 'Searching…' : 'Search on'}
              </button>
            </p>
          )}
        </Show>
      </section>
    </div>
  );
}

function Nothing() {
  return (
    <>
      No run fits. Submit one: <code>runyard submit -- echo hello</code>
    </>
  );
}

function Search(props: { faults: readonly string[] }) {
  return (
    <label class="grow">
      <span class="unseen">
        Search: state:failed slave:s7 job:ID since:1h, and words of the name
      </span>
      <input
        type="search"
        class="search-wide"
        data-search
        placeholder="state:failed slave:s7 job:ID name:… since:1h text, or an id"
        value={query('q') ?? ''}
        onChange={({ currentTarget }) => {
          const text = currentTarget.value.trim();
          if (/^[0-9a-z]{16}$/.test(text)) navigate(`/runs/${text}`);
          else setQuery({ q: text }, false);
        }}
        onKeyDown={({ key, currentTarget }) => key === 'Escape' && currentTarget.blur()}
      />
      <Show when={props.faults.length > 0}>
        <span class="fault" role="alert">
          {props.faults.join('; ')}
        </span>
      </Show>
    </label>
  );
}

type Picked = () => ReadonlySet<string>;

function columnsOf(
  picked: Picked,
  setPicked: (change: (before: ReadonlySet<string>) => ReadonlySet<string>) => void,
  now: () => number,
): Column<RunStatus>[] {
  const toggle = (id: string) =>
    setPicked((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  return [
    {
      name: '',
      width: '20px',
      cell: ({ runId }) => (
        <input
          type="checkbox"
          aria-label={`Pick run ${runId}`}
          checked={picked().has(runId)}
          onChange={() => toggle(runId)}
        />
      ),
    },
    { name: 'Run', width: '146px', cell: ({ runId }) => <RunLink id={runId} />, isExtra: true },
    { name: 'State', width: 'minmax(134px, 150px)', cell: (run) => <RunBadge run={run} /> },
    {
      name: 'Name',
      width: 'minmax(0, 3fr)',
      cell: ({ name, runId }) => (
        <a class="quiet" href={`/runs/${runId}`} title={name ?? ''}>
          {name ?? runId}
        </a>
      ),
    },
    {
      name: 'Slave',
      width: 'minmax(0, 1fr)',
      cell: ({ slave }) => <Show when={slave}>{(name) => <SlaveLink name={name()} />}</Show>,
      isExtra: true,
    },
    {
      name: 'Waited',
      width: '80px',
      cell: (run) => (
        <span class="number soft">
          {duration(
            (run.startedAt ? parseInstant(run.startedAt) : endOf(run, now())) -
              parseInstant(run.createdAt),
          )}
        </span>
      ),
      isExtra: true,
    },
    {
      name: 'Ran',
      width: '80px',
      cell: (run) => (
        <span class="number">
          {run.startedAt ? duration(endOf(run, now()) - parseInstant(run.startedAt)) : ''}
        </span>
      ),
      isExtra: true,
    },
    {
      name: 'Created',
      width: '90px',
      cell: ({ createdAt }) => (
        <span class="number soft" title={createdAt}>
          {duration(Math.max(0, now() - parseInstant(createdAt)))}
        </span>
      ),
      isExtra: true,
    },
  ];
}

function endOf({ finishedAt }: RunStatus, now: number): number {
  return finishedAt ? parseInstant(finishedAt) : now;
}
