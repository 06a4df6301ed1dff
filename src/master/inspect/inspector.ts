/** Tells inspectors what runs do, in frames of the Stately protocol; idle while there are none. */
import type { Clock } from '../../base/clock.ts';
import { YardError, messageOf, quote } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { isDone } from '../../protocol/run.ts';
import type { Devtools } from '../../protocol/service.ts';
import type { Archive } from '../archive.ts';
import type { Feed, FeedListener } from '../feed.ts';
import type { EventRecord, RunRecord } from '../records.ts';
import type { Yard } from '../yard.ts';
import { eventFrames, masterFrame, runFrame, slaveFrame } from './stately.ts';
import type { StatelyFrame } from './stately.ts';
import { standAfter, standBefore } from './steps.ts';
import type { Stand } from './steps.ts';

export interface InspectorPorts {
  yard: Yard;
  archive: Archive;
  feed: Feed;
  clock: Clock;
  log: Log;
}

export interface InspectCounts {
  /** Frames made since the start. */
  frames: number;
  /** Inspectors that threw, each once. */
  errors: number;
  inspectors: number;
}

/** So many runs are told of at the start of a yard's inspection; others when they are heard of. */
const ACTORS_MAX = 200;
/** So many of the last events come first where nothing else was asked for. */
const BACKLOG = 200;

interface Known {
  run: RunRecord;
  stand: Stand;
}

export function makeInspector(ports: InspectorPorts) {
  const { yard, archive, feed, clock, log } = ports;
  const counts: InspectCounts = { frames: 0, errors: 0, inspectors: 0 };

  function made(frames: StatelyFrame[]): StatelyFrame[] {
    counts.frames += frames.length;
    return frames;
  }

  function actors(): StatelyFrame[] {
    const now = clock.wall();
    const slaves = [...yard.ledger.slaves()];
    const context = { slaves: slaves.length, queued: yard.queue.size };
    return made([masterFrame(now, context), ...slaves.map((slave) => slaveFrame(now, slave))]);
  }

  /** How a run stood before one of its events. */
  async function past(record: EventRecord): Promise<Known> {
    const run = await getRun(yard, record.run);
    const origin = (await archive.findOrigin(run.id))!;
    const events = await archive.historyOf(run);
    let stand = standBefore(run, origin, events);
    for (const event of events) {
      if (event.seq >= record.seq) break;
      stand = standAfter(stand, event);
    }
    return { run, stand };
  }

  function session() {
    const known = new Map<string, Known>();

    function introduce(wallMs: number, { run, stand }: Known): StatelyFrame {
      known.set(run.id, { run, stand });
      return runFrame(wallMs, run, stand);
    }

    function advance(record: EventRecord, before: Known, stand: Stand): StatelyFrame[] {
      if (isDone(stand.state)) known.delete(record.run);
      else known.set(record.run, { run: before.run, stand });
      return eventFrames(record, before.run, stand);
    }

    return {
      introduce,
      async replay(events: readonly EventRecord[]): Promise<StatelyFrame[]> {
        const frames: StatelyFrame[] = [];
        for (const record of events) {
          let before = known.get(record.run);
          if (!before) {
            before = await past(record);
            frames.push(introduce(record.event.at, before));
          }
          frames.push(...advance(record, before, standAfter(before.stand, record)));
        }
        return made(frames);
      },
      /** Of a run that was not heard of before, what came just now is its introduction, too. */
      live(events: readonly EventRecord[], steps: readonly RunRecord[]): StatelyFrame[] {
        const frames: StatelyFrame[] = [];
        for (const [index, record] of events.entries()) {
          const run = steps[index]!;
          const before = known.get(record.run) ?? { run, stand: run };
          if (!known.has(record.run)) frames.push(introduce(record.event.at, before));
          frames.push(...advance(record, before, run));
        }
        return made(frames);
      },
    };
  }

  const inspect: Devtools['inspect'] = async ({ run: only, since }, tell) => {
    if (only !== undefined) await getRun(yard, only);
    const told = session();
    let isOver = false;
    let following: { stop: () => void } | undefined;
    const stop = () => {
      if (!isOver) counts.inspectors--;
      isOver = true;
      following?.stop();
    };
    const guarded = (say: () => void | Promise<void>) => {
      if (isOver) return;
      const fail = (error: unknown) => {
        counts.errors++;
        log.warn({ err: messageOf(error) }, 'an inspector threw, and is told no more');
        stop();
      };
      try {
        return say()?.catch(fail);
      } catch (error) {
        fail(error);
      }
    };
    const say = (frames: StatelyFrame[]) => (frames.length > 0 ? tell(frames) : undefined);

    const hear: FeedListener = (events, steps) =>
      steps
        ? guarded(() => say(told.live(events, steps)))
        : guarded(async () => say(await told.replay(events)));

    counts.inspectors++;
    await guarded(() => say(actors()));
    if (only === undefined) {
      const from = since ?? Math.max(0, (await archive.lastSeq()) - BACKLOG);
      await guarded(() => say(introduceLive(told, from)));
      following = await feed.follow(from, hear);
    } else following = await followOne(only, since ?? 0, hear);
    if (isOver) following.stop();
    return { stop };
  };

  /** The history of one run, wherever in the yard's it lies, and then what it still does. */
  async function followOne(runId: string, since: number, hear: FeedListener) {
    let at = since;
    let held: [EventRecord, RunRecord][] | undefined = [];
    const tell = (event: EventRecord, step: RunRecord) => {
      if (event.seq > at) void hear([event], [step]);
    };
    const following = await feed.follow(undefined, (events, steps) => {
      for (const [index, event] of events.entries()) {
        if (event.run !== runId) continue;
        if (held) held.push([event, steps![index]!]);
        else tell(event, steps![index]!);
      }
    });
    const past = await archive.historyOf(await getRun(yard, runId));
    await hear(past.filter(({ seq }) => seq > since));
    at = Math.max(at, past.at(-1)!.seq);
    for (const [event, step] of held) tell(event, step);
    held = undefined;
    return following;
  }

  /** The newest live runs of which the backlog will not tell. */
  function introduceLive(told: ReturnType<typeof session>, from: number): StatelyFrame[] {
    const quiet = yard.ledger.liveRuns().filter(({ events }) => events.at(-1)! <= from);
    const now = clock.wall();
    return made(quiet.slice(-ACTORS_MAX).map((run) => told.introduce(now, { run, stand: run })));
  }

  return { inspect, counts };
}

async function getRun(yard: Yard, runId: string): Promise<RunRecord> {
  const run = await yard.ledger.findRun(runId);
  if (run) return run;
  throw new YardError('run.unknown', `no run ${quote(runId)}`, {
    hint: 'see "runyard run list"',
  });
}
