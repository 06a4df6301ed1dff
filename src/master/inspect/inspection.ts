/** The parts of devtools on the master, put together. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Ids } from '../../base/random.ts';
import { formatInstant } from '../../base/units.ts';
import type { SystemView } from '../../protocol/devtools.ts';
import type { Devtools } from '../../protocol/service.ts';
import { VERSION } from '../../protocol/version.ts';
import type { Archive } from '../archive.ts';
import type { Feed } from '../feed.ts';
import type { Hub } from '../hub.ts';
import { queueAgeMs } from '../metrics.ts';
import type { Metrics } from '../metrics.ts';
import type { StateStore } from '../store/port.ts';
import type { Yard } from '../yard.ts';
import { makeDevtools } from './devtools.ts';
import { makeInspector } from './inspector.ts';
import type { InspectCounts } from './inspector.ts';
import { makeMessageLog } from './message-log.ts';
import type { MessageLog } from './message-log.ts';
import { makeSeries } from './series.ts';
import { makeTickets } from './tickets.ts';
import { makeTimeline } from './timeline.ts';

/** What only the process knows of itself; settings without secrets. */
export type ProcessFacts = Pick<SystemView, 'node' | 'store' | 'eventLoop' | 'memory' | 'config'>;

export interface InspectionPorts {
  yard: Yard;
  hub: Hub;
  store: StateStore;
  archive: Archive;
  feed: Feed;
  clock: Clock;
  ids: Ids;
  log: Log;
  baseUrl: () => string;
  epoch: number;
  processFacts: (() => Promise<ProcessFacts>) | undefined;
}

export interface Inspection {
  devtools: Devtools;
  counts: Readonly<InspectCounts>;
  noting: MessageLog['noting'];
  sample: (totals: Metrics['totals'], loopLagMs: number) => void;
}

export function openInspection(ports: InspectionPorts): Inspection {
  const { yard, hub, feed, clock } = ports;
  const startedAt = clock.wall();
  const inspector = makeInspector(ports);
  const timeline = makeTimeline(feed, clock);
  const series = makeSeries();
  const messages = makeMessageLog(ports);

  async function system(): Promise<SystemView> {
    const unknown: ProcessFacts = { node: '', store: { kind: 'memory' }, config: {} };
    const facts = (await ports.processFacts?.()) ?? unknown;
    const { frames, errors, inspectors } = inspector.counts;
    const watchers = feed.count() - inspectors - (timeline.isOpen() ? 1 : 0);
    return {
      version: VERSION,
      epoch: ports.epoch,
      startedAt: formatInstant(startedAt),
      lastSeq: yard.ledger.lastSeq(),
      liveRuns: yard.ledger.liveCount(),
      sockets: { slaves: hub.sessions(), watchers, inspectors },
      inspect: { frames, errors },
      ...facts,
    };
  }

  return {
    devtools: {
      ...makeDevtools({ ...ports, timeline, series, messages, system }),
      ...makeTickets(ports),
      inspect: inspector.inspect,
    },
    counts: inspector.counts,
    noting: messages.noting,
    sample: makeSampler(yard, clock, series.sample),
  };
}

/** Rates are differences of totals, levels are as they are. */
function makeSampler(
  yard: Yard,
  clock: Clock,
  note: ReturnType<typeof makeSeries>['sample'],
): Inspection['sample'] {
  let before: { at: number; totals: Metrics['totals'] } | undefined;
  return (totals, loopLagMs) => {
    const now = clock.now();
    const last = before ?? { at: now - 1000, totals: { submitted: 0, ended: 0, badlyEnded: 0 } };
    const seconds = Math.max(0.001, (now - last.at) / 1000);
    const rate = (name: keyof Metrics['totals']) => (totals[name] - last.totals[name]) / seconds;
    const wallMs = clock.wall();
    const rooms = [...yard.rooms.values()].filter(({ online }) => online);
    note(wallMs, {
      submittedPerSecond: rate('submitted'),
      endedPerSecond: rate('ended'),
      badlyEndedPerSecond: rate('badlyEnded'),
      queueLength: yard.queue.size,
      queueAgeMs: queueAgeMs(yard, wallMs),
      liveRuns: yard.ledger.liveCount(),
      slotsUsed: rooms.reduce((sum, { used }) => sum + used.size, 0),
      slots: rooms.reduce((sum, { slots }) => sum + slots, 0),
      loopLagMs,
    });
    before = { at: now, totals: { ...totals } };
  };
}
