/** Figures for Prometheus; names and labels after secops.md part 7, no ids as labels. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { isDone } from '../protocol/run.ts';
import { VERSION } from '../protocol/version.ts';
import type { Hub } from './hub.ts';
import type { Yard } from './yard.ts';

export interface MetricsPorts {
  yard: Yard;
  hub: Hub;
  /** By the name of the invariant. */
  breaches: ReadonlyMap<string, number>;
  /** When a backup of the store was last taken whole, since the start. */
  backedUpAt: () => number | undefined;
}

export function makeMetrics({
  yard,
  hub,
  breaches,
  backedUpAt,
}: MetricsPorts): () => Promise<string> {
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
  const sessions = gauge('runyard_slave_sessions', 'Slaves that are connected now.');
  new Gauge({
    name: 'runyard_build_info',
    help: 'Always 1; the label says what runs.',
    labelNames: ['version'],
    registers,
  }).set({ version: VERSION }, 1);

  const byResult = cached((result: string) => durations.labels(result));
  yard.onEvents((events, steps) => {
    for (let index = 0; index < events.length; index++) {
      const { state, event } = events[index]!;
      transitions.set(state, (transitions.get(state) ?? 0) + 1);
      const { context, facts } = steps[index]!;
      if (event.type === 'run.granted' && context.attempt === 1) {
        queueSeconds.observe((event.at - facts.createdAt) / 1000);
      }
      if (isDone(state) && context.startedAt !== undefined) {
        byResult(state).observe(Math.max(0, event.at - context.startedAt) / 1000);
      }
    }
  });

  return () => {
    slaves.reset();
    slots.reset();
    for (const { state, facts } of yard.ledger.slaves()) slaves.inc({ state, arch: facts.arch });
    for (const { online, arch, slots: all, used } of yard.rooms.values()) {
      if (!online) continue;
      slots.inc({ state: 'used', arch }, used.size);
      slots.inc({ state: 'free', arch }, Math.max(0, all - used.size));
    }
    pending.set(yard.queue.size);
    sessions.set(hub.sessions());
    return registry.metrics();
  };
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
