/** A run: who it is, its tabs, and what can be done to it. */
import { Match, Show, Switch, createEffect, on } from 'solid-js';
import type { RunRequest } from '../../protocol/run.ts';
import { segment } from '../base/api.ts';
import { useKeys } from '../base/keys.ts';
import { lazyView } from '../base/load.tsx';
import { hrefWith, navigate } from '../base/router.ts';
import { announce, useAnswer } from '../base/use.ts';
import { Fault, RunBadge, SlaveLink, Tabs } from '../parts/basics.tsx';
import { abortRuns, holdRun, releaseRun, rerunRuns } from './actions.ts';
import { MachineTab } from './machine.tsx';
import { isOver, useTravel } from './source.ts';
import type { RunSource } from './source.ts';
import '../styles/run.css';

const LogTab = lazyView(() => import('./log.tsx'));
const TimelineTab = lazyView(() => import('./timeline.tsx'));
const EventsTab = lazyView(() => import('./events.tsx'));
const ResultsTab = lazyView(() => import('./results.tsx'));
const RawTab = lazyView(() => import('./raw.tsx'));

const TABS = ['timeline', 'log', 'machine', 'events', 'results', 'raw'] as const;
type Tab = (typeof TABS)[number];
const NAMES: Record<Tab, string> = {
  timeline: 'Timeline',
  log: 'Log',
  machine: 'Machine',
  events: 'Events',
  results: 'Results',
  raw: 'Raw',
};
/** What an imported history does not hold. */
const ONLINE_ONLY: readonly Tab[] = ['log', 'results'];

export function RunView(props: { source: RunSource; tab: string | undefined }) {
  const travel = useTravel(() => props.source.steps());
  const tabs = () => TABS.filter((tab) => props.source.isOnline || !ONLINE_ONLY.includes(tab));
  const tab = (): Tab => tabs().find((one) => one === props.tab) ?? 'timeline';
  const hrefOf = (name: Tab) => hrefWith({}, `${props.source.base}/${name}`);
  useKeys(
    'Run',
    TABS.map((name, index) => ({
      key: String(index + 1),
      does: NAMES[name],
      act: () => tabs().includes(name) && navigate(hrefOf(name)),
    })),
  );
  createEffect(
    on(
      () => props.source.run()?.state,
      (state, before) => {
        if (before !== undefined && state !== undefined) announce(`The run is ${state}.`);
      },
    ),
  );
  return (
    <article class="run" aria-label={`Run ${props.source.id}`}>
      <Head source={props.source} />
      <Fault error={props.source.error()} />
      <Tabs
        label="Of the run"
        tabs={tabs().map((name) => ({
          href: hrefOf(name),
          name: NAMES[name],
          isAt: tab() === name,
          count: name === 'events' ? props.source.steps().length : undefined,
        }))}
      />
      <Switch>
        <Match when={tab() === 'timeline'}>
          <TimelineTab source={props.source} travel={travel} />
        </Match>
        <Match when={tab() === 'log'}>
          <LogTab source={props.source} />
        </Match>
        <Match when={tab() === 'machine'}>
          <MachineTab source={props.source} travel={travel} />
        </Match>
        <Match when={tab() === 'events'}>
          <EventsTab source={props.source} travel={travel} />
        </Match>
        <Match when={tab() === 'results'}>
          <ResultsTab source={props.source} />
        </Match>
        <Match when={tab() === 'raw'}>
          <RawTab source={props.source} />
        </Match>
      </Switch>
    </article>
  );
}

/** What a request asks for, in one line. */
export function commandOf(request: RunRequest | undefined): string | undefined {
  if (!request) return undefined;
  const { argv, formula } = request;
  return argv ? argv.join(' ') : `${formula!.file} on ${formula!.itemType} ${formula!.item}`;
}

function Head(props: { source: RunSource }) {
  const run = () => props.source.run();
  const request = useAnswer<RunRequest>(() =>
    props.source.isOnline ? `/api/runs/${segment(props.source.id)}/request` : undefined,
  );
  const afterwards = async (done: Promise<boolean>) => {
    if (await done) props.source.refresh();
  };
  const canHold = () =>
    !run()?.hold && ['queued', 'blocked', 'backoff'].includes(run()?.substate ?? '');
  if (props.source.isOnline) {
    useKeys('Run', [
      {
        key: 'Shift+A',
        does: 'abort it',
        act: () => {
          const now = run();
          if (now && !isOver(now)) void afterwards(abortRuns([now]));
        },
      },
    ]);
  }
  return (
    <header class="run-head">
      <h1>
        run <span class="mono">{props.source.id}</span>
      </h1>
      <Show when={run()}>{(now) => <RunBadge run={now()} />}</Show>
      <code class="run-command">{commandOf(request.data()) ?? run()?.name ?? ''}</code>
      <span class="rest" />
      <Show when={run()?.slave}>{(name) => <SlaveLink name={name()} />}</Show>
      <Show when={run()}>
        {(now) => (
          <span class="soft number">
            attempt {now().attempt}
            <Show when={request.data()}>{(asked) => ` of ${asked().retries + 1}`}</Show>
          </span>
        )}
      </Show>
      <Show when={props.source.isOnline && run()}>
        {(now) => (
          <>
            <Show when={canHold()}>
              <button onClick={() => void afterwards(holdRun(now()))}>Hold</button>
            </Show>
            <Show when={now().hold}>
              <button onClick={() => void afterwards(releaseRun(now()))}>Release</button>
            </Show>
            <Show
              when={isOver(now())}
              fallback={
                <button class="is-danger" onClick={() => void afterwards(abortRuns([now()]))}>
                  Abort
                </button>
              }
            >
              <button onClick={() => void rerunRuns([now()])}>Run again</button>
            </Show>
          </>
        )}
      </Show>
    </header>
  );
}
