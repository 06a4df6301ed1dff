/** What devtools ask of a master: nothing here runs unless they ask. */
import type { Clock } from '../../base/clock.ts';
import { YardError, quote } from '../../base/errors.ts';
import type { Ids } from '../../base/random.ts';
import { formatInstant as iso, readInstant } from '../../base/units.ts';
import { agentMachine } from '../../machines/agent.ts';
import { answersOf, chartOf } from '../../machines/chart.ts';
import { jobMachine } from '../../machines/job.ts';
import { runDeadline } from '../../machines/run-deadline.ts';
import { runMachine } from '../../machines/run.ts';
import type { RunContext, RunEvent } from '../../machines/run-context.ts';
import { slaveMachine } from '../../machines/slave.ts';
import type { ActorView, MachineView, RunStep, SystemView } from '../../protocol/devtools.ts';
import type { Devtools } from '../../protocol/service.ts';
import type { Archive } from '../archive.ts';
import type { Hub } from '../hub.ts';
import { below, unpack } from '../records.ts';
import type { JobRecord, RunRecord } from '../records.ts';
import { statusOf } from '../status.ts';
import type { StateStore } from '../store/port.ts';
import type { Yard } from '../yard.ts';
import type { MessageLog } from './message-log.ts';
import type { Series } from './series.ts';
import { standAfter, standBefore, stepsOf } from './steps.ts';
import type { Timeline } from './timeline.ts';

export interface DevtoolsPorts {
  yard: Yard;
  hub: Hub;
  store: StateStore;
  archive: Archive;
  clock: Clock;
  ids: Ids;
  baseUrl: () => string;
  timeline: Timeline;
  series: Series;
  messages: MessageLog;
  /** What only the process knows. */
  system: () => Promise<SystemView>;
}

/** So many live runs are among the actors. */
const RUN_ACTORS_MAX = 200;
const MACHINES = { run: runMachine, job: jobMachine, slave: slaveMachine, agent: agentMachine };

type Answers = Omit<Devtools, 'createTicket' | 'redeemTicket' | 'inspect'>;

export function makeDevtools(ports: DevtoolsPorts): Answers {
  const { clock, baseUrl, timeline, series, messages } = ports;
  const charts = makeCharts();

  async function steps(runId: string, noise: boolean): Promise<RunStep[]> {
    const { run, origin, events } = await recordsOf(ports, runId);
    const found = stepsOf(run, origin, events);
    return noise ? withBeats(found, ports.hub) : found;
  }

  return {
    steps,
    async exportRun(runId) {
      const { run, origin, events } = await recordsOf(ports, runId);
      return {
        run: statusOf(run, baseUrl()),
        chart: charts().run,
        exportedAt: iso(clock.wall()),
        steps: stepsOf(run, origin, events),
      };
    },
    async next(runId, at) {
      const { run, origin, events } = await recordsOf(ports, runId);
      if (at !== undefined && !run.events.includes(at)) {
        throw new YardError('input.invalid', `at: run ${quote(runId)} has no event ${at}`);
      }
      const seq = at ?? events.at(-1)!.seq;
      let stand = standBefore(run, origin, events);
      for (const event of events) if (event.seq <= seq) stand = standAfter(stand, event);
      const { state, context } = stand;
      const deadline = runDeadline(state, context);
      return {
        runId,
        seq,
        state,
        events: openings(charts().run, state, context),
        ...(deadline ? { deadline: { event: deadline.event, at: iso(deadline.at) } } : {}),
      };
    },
    async cluster(at) {
      await timeline.ready();
      const view = timeline.view(typeof at === 'number' ? { seq: at } : at);
      const moment = ({ seq, wallMs }: { seq: number; wallMs: number }) => ({
        seq,
        at: iso(wallMs),
      });
      return {
        ...moment(view),
        first: moment(view.first),
        last: moment(view.last),
        runs: view.runs,
        queued: view.runs['PENDING.queued'] ?? 0,
        slaves: occupancy(view.used, ports.yard),
      };
    },
    async machines() {
      await timeline.ready();
      const population: Record<string, Record<string, number>> = {
        run: timeline.view(undefined).runs,
        slave: countBy([...ports.yard.ledger.slaves()].map(({ state }) => state)),
        job: await jobStates(ports.store),
      };
      return Object.entries(charts()).map(([name, chart]): MachineView => {
        const counts = population[name];
        return counts ? { name, chart, population: counts } : { name, chart };
      });
    },
    actors: () => actorsOf(ports),
    listMessages: async (limit) => messages.list(limit),
    series: async (stepMs) => series.view(stepMs),
    system: ports.system,
  };
}

type Charts = Record<keyof typeof MACHINES, ReturnType<typeof chartOf>>;

function makeCharts(): () => Charts {
  let made: Charts | undefined;
  return () =>
    (made ??= Object.fromEntries(
      Object.entries(MACHINES).map(([name, machine]) => [name, chartOf(machine)]),
    ) as Charts);
}

async function recordsOf({ yard, archive }: DevtoolsPorts, runId: string) {
  const run = await yard.ledger.findRun(runId);
  if (!run) {
    throw new YardError('run.unknown', `no run ${quote(runId)}`, {
      hint: 'see "runyard run list"',
    });
  }
  const origin = (await archive.findOrigin(runId))!;
  return { run, origin, events: await archive.historyOf(run) };
}

/** Events that carry nothing which a guard looks at: whether one would be taken is known. */
const PLAIN: Readonly<Record<string, RunEvent>> = {
  'run.held': { type: 'run.held', at: 0, by: '', note: '' },
  'run.released': { type: 'run.released', at: 0, by: '' },
  'abort.requested': { type: 'abort.requested', at: 0, by: '', why: '' },
  'run.granted': { type: 'run.granted', at: 0, slave: '', token: '' },
  'queue.expired': { type: 'queue.expired', at: 0 },
  'backoff.over': { type: 'backoff.over', at: 0 },
  'run.overdue': { type: 'run.overdue', at: 0 },
  'stop.overdue': { type: 'stop.overdue', at: 0 },
};

const guards = runMachine.implementations.guards as unknown as Record<
  string,
  (step: { context: RunContext; event: RunEvent }) => boolean
>;

function openings(chart: ReturnType<typeof chartOf>, state: string, context: RunContext) {
  const taken = new Set<string>();
  return answersOf(chart, state).map((answer) => {
    const event = PLAIN[answer.event];
    if (!event) return answer;
    const guard = answer.guard === undefined ? undefined : guards[answer.guard];
    // Of several answers the first that is open counts; those behind it are not reached.
    const open = !taken.has(answer.event) && (guard?.({ context, event }) ?? true);
    if (open) taken.add(answer.event);
    return { ...answer, open };
  });
}

/** Heartbeats of the slave while it had the run, as far as they are remembered. */
function withBeats(steps: readonly RunStep[], { traffic }: Hub): RunStep[] {
  return steps.flatMap((step, index) => {
    const slave = step.context['slave'];
    const isOnSlave = step.after === 'PENDING.assigned' || step.after.startsWith('RUNNING');
    if (!isOnSlave || typeof slave !== 'string') return [step];
    const from = readInstant(step.at);
    const next = steps[index + 1];
    const to = next ? readInstant(next.at) : Infinity;
    const beats = traffic.find(slave)?.beats ?? [];
    const noise = beats
      .filter((at) => at >= from && at < to)
      .map((at): RunStep => {
        const { seq, n, after, context } = step;
        return {
          seq,
          n,
          at: iso(at),
          type: 'heartbeat',
          from: `slave/${slave}`,
          to: 'master',
          before: after,
          after,
          event: {},
          context,
          changed: [],
          effects: [],
          sent: [],
          noise: true,
        };
      });
    return [step, ...noise];
  });
}

function occupancy(used: ReadonlyMap<string, number>, { ledger }: Yard) {
  const slots = new Map([...ledger.slaves()].map(({ name, facts }) => [name, facts.slots]));
  const names = new Set([
    ...slots.keys(),
    ...[...used].flatMap(([name, n]) => (n > 0 ? [name] : [])),
  ]);
  return [...names].sort().map((name) => {
    const known = slots.get(name);
    return { name, used: used.get(name) ?? 0, ...(known === undefined ? {} : { slots: known }) };
  });
}

async function jobStates(store: StateStore): Promise<Record<string, number>> {
  const states: string[] = [];
  for await (const { value } of store.scan(below('job'))) {
    states.push(unpack<JobRecord>(value).state);
  }
  return countBy(states);
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

async function actorsOf({ yard, hub, archive }: DevtoolsPorts) {
  const live = yard.ledger.liveRuns();
  const slaves = [...yard.ledger.slaves()].map(({ name, state }): ActorView => {
    const traffic = hub.traffic.find(name);
    return {
      id: `slave/${name}`,
      kind: 'slave',
      parent: 'master',
      state,
      messages: traffic?.messages ?? 0,
      ...(traffic ? { lastMessage: { type: traffic.lastType, at: iso(traffic.lastAt) } } : {}),
    };
  });
  const newest = live.slice(-RUN_ACTORS_MAX).reverse();
  const runs = await Promise.all(newest.map((run) => runActor(run, archive)));
  const messages = yard.ledger.lastSeq();
  const master: ActorView = { id: 'master', kind: 'master', state: 'SERVING', messages };
  return { actors: [master, ...slaves, ...runs], liveRuns: live.length };
}

async function runActor(run: RunRecord, archive: Archive): Promise<ActorView> {
  const { id, state, facts, events, context } = run;
  const isOnSlave = state === 'PENDING.assigned' || state.startsWith('RUNNING');
  const last = await archive.findEvent(events.at(-1)!);
  return {
    id: `run/${id}`,
    kind: 'run',
    parent: isOnSlave ? `slave/${context.slave}` : 'master',
    state,
    ...(facts.name === undefined ? {} : { name: facts.name }),
    messages: events.length,
    ...(last ? { lastMessage: { type: last.event.type, at: iso(last.event.at) } } : {}),
  };
}
