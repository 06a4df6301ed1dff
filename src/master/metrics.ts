/** Figures for Prometheus; names and labels after secops.md part 7, no ids as labels. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../base/clock.ts';
import { isDone } from '../protocol/run.ts';
import { VERSION } from '../protocol/version.ts';
import type { Hub } from './hub.ts';
import type { InspectCounts } from './inspect/inspector.ts';
import { badEndOf } from './yard.ts';
import type { Yard } from './yard.ts';

export interface Metrics {
  /** In the format of Prometheus. */
  text: () => Promise<string>;
  /** Since the start. */
  readonly totals: Readonly<Totals>;
}

interface Totals {
  submitted: number;
  ended: number;
  /** Ended otherwise than by exit status 0. */
  badlyEnded: number;
}

export interface MetricsPorts {
  clock: Clock;
  yard: Yard;
  hub: Hub;
  /** By the name of the invariant. */
  breaches: ReadonlyMap<string, number>;
  /** When a backup of the store was last taken whole, since the start. */
  backedUpAt: () => number | undefined;
  inspect: Readonly<InspectCounts>;
}

export function makeMetrics(ports: MetricsPorts): Metrics {
  const { clock, yard, hub, breaches, backedUpAt, inspect } = ports;
  const registry = new Registry();
  const registers = [registry];
  // Counted by hand: a counter of the registry costs more for each event than the event itself.
  const transitions = new Map<string, number>();
  new Counter({
    name: 'runyard_run_transitions_total',
    help: 'Events of runs, by the state that they led to.',
    labelNames: ['to'],
    registers,
    collect() {
      this.reset();
      for (const [to, count] of transitions) this.inc({ to }, count);
    },
  });
  const queueSeconds = new Histogram({
    name: 'runyard_run_queue_seconds',
    help: 'From the submission of a run to its first grant.',
    buckets: [0.005, 0.05, 0.5, 1, 5, 30, 60, 300, 1800, 7200],
    registers,
  });
  const durations = new Histogram({
    name: 'runyard_run_duration_seconds',
    help: 'From the start of a run to its end, by its final state.',
    labelNames: ['result'],
    buckets: [0.01, 0.1, 1, 10, 60, 300, 1800, 7200],
    registers,
  });
  new Counter({
    name: 'runyard_invariant_breaches_total',
    help: 'Promises that this master found broken since its start; any is a bug.',
    labelNames: ['invariant'],
    registers,
    collect() {
      this.reset();
      for (const [invariant, count] of breaches) this.inc({ invariant }, count);
    },
  });
  new Gauge({
    name: 'runyard_backup_last_success_timestamp_seconds',
    help: 'When the store was last backed up whole while this master served; 0: not yet.',
    registers,
    collect() {
      this.set((backedUpAt() ?? 0) / 1000);
    },
  });
  const slaves = new Gauge({
    name: 'runyard_slaves',
    help: 'Slaves that are known.',
    labelNames: ['state', 'arch'],
    registers,
  });
  const slots = new Gauge({
    name: 'runyard_slave_slots',
    help: 'Slots of slaves that are connected.',
    labelNames: ['state', 'arch'],
    registers,
  });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const pending = gauge('runyard_queue_length', 'Runs that wait for a slave.');
  const queueAge = gauge(
    'runyard_queue_age_seconds',
    'How long the run has waited for a slave that waits longest.',
  );
  const sessions = gauge('runyard_slave_sessions', 'Slaves that are connected now.');
  new Gauge({
    name: 'runyard_build_info',
    help: 'Always 1; the label says what runs.',
    labelNames: ['version'],
    registers,
  }).set({ version: VERSION }, 1);

  addInspection(registry, inspect);
  const totals: Totals = { submitted: 0, ended: 0, badlyEnded: 0 };
  const byResult = cached((result: string) => durations.labels(result));
  yard.onEvents((events, steps) => {
    for (let index = 0; index < events.length; index++) {
      const { n, state, event } = events[index]!;
      if (n === 1) totals.submitted++;
      transitions.set(state, (transitions.get(state) ?? 0) + 1);
      const { context, facts } = steps[index]!;
      if (event.type === 'run.granted' && context.attempt === 1) {
        queueSeconds.observe((event.at - facts.createdAt) / 1000);
      }
      if (!isDone(state)) continue;
      const { startedAt } = context;
      totals.ended++;
      if (badEndOf(steps[index]!) !== undefined) totals.badlyEnded++;
      if (startedAt === undefined) continue;
      byResult(state).observe(Math.max(0, event.at - startedAt) / 1000);
    }
  });

  const text = () => {
    slaves.reset();
    slots.reset();
    for (const { state, facts } of yard.ledger.slaves()) slaves.inc({ state, arch: facts.arch });
    for (const { online, arch, slots: all, used } of yard.rooms.values()) {
      if (!online) continue;
      slots.inc({ state: 'used', arch }, used.size);
      slots.inc({ state: 'free', arch }, Math.max(0, all - used.size));
    }
    pending.set(yard.queue.size);
    queueAge.set(queueAgeMs(yard, clock.wall()) / 1000);
    sessions.set(hub.sessions());
    return registry.metrics();
  };
  return { text, totals };
}

/** How long the run has waited that waits longest. */
export function queueAgeMs({ queue, ledger }: Yard, wallMs: number): number {
  const since = queue.heads().map((id) => ledger.live(id)?.context.queuedAt ?? wallMs);
  return Math.max(0, wallMs - Math.min(wallMs, ...since));
}

/** What looking on costs, and that it costs nothing where nobody looks. */
function addInspection(registry: Registry, inspect: Readonly<InspectCounts>): void {
  const registers = [registry];
  const counter = (name: string, help: string, total: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(total());
      },
    });
  counter(
    'runyard_inspect_frames_total',
    'Frames made for inspectors; none while nobody is connected.',
    () => inspect.frames,
  );
  counter(
    'runyard_inspect_errors_total',
    'Inspectors that threw and are told no more.',
    () => inspect.errors,
  );
  new Gauge({
    name: 'runyard_inspectors',
    help: 'Inspectors that are connected.',
    registers,
    collect() {
      this.set(inspect.inspectors);
    },
  });
}

/** Finding a child by its labels costs more than counting does. */
function cached<T>(make: (label: string) => T): (label: string) => T {
  const made = new Map<string, T>();
  return (label) => {
    let child = made.get(label);
    if (!child) made.set(label, (child = make(label)));
    return child;
  };
}
