import { ChurnMap } from '../../base/churn-map.ts';
import type { Log } from '../../base/log.ts';
import type { AttemptKey, ProcessEnd, ProcessSpec } from '../ports.ts';
import { type AttemptProcess, readExitRecord } from './attempt-process.ts';
import { type Lane, openLane } from './lane.ts';
import type { Machine } from './machine.ts';
import { taskText } from './task-text.ts';

/** The lanes of this process: as many as there were attempts at once, or one for each slot. */
export interface LanePool {
  /** Runs it once there is a free slot, in the order of asking. */
  launch: (process: AttemptProcess, spec: ProcessSpec) => void;
  /** Takes back what waits for a slot; false if it does not. */
  cancel: (process: AttemptProcess) => boolean;
  /** Makes the attempt's slot free, and its lane, if that still lives. */
  giveBack: (process: AttemptProcess) => void;
  close: () => Promise<void>;
}

/** `isEmpty`: the lane saw that nothing was left behind. */
export type OnEnd = (process: AttemptProcess, end: ProcessEnd, isEmpty: boolean) => void;

export function makeLanePool(machine: Machine, slots: number, log: Log, onEnd: OnEnd): LanePool {
  const seesOrphans = machine.subreaper.length > 0;
  const launched = new Set<AttemptKey>();
  const waiting = new ChurnMap<AttemptKey, { process: AttemptProcess; spec: ProcessSpec }>();
  const idle = new Set<Lane>();
  const busy = new ChurnMap<Lane, { process: AttemptProcess; ticket: number }>();
  let tickets = 0;

  function open(): Lane {
    const lane: Lane = openLane(machine, log, {
      onReport(ticket, status, orphans) {
        const task = busy.get(lane);
        if (task?.ticket !== ticket || task.process.hasEnded) return;
        onEnd(task.process, endOf(task.process, status), seesOrphans && orphans.length === 0);
      },
      onExit(why) {
        idle.delete(lane);
        const process = busy.get(lane)?.process;
        busy.delete(lane);
        log.warn({ key: process?.key, pid: lane.root?.pid, why }, 'a lane ended by itself');
        if (process) onLaneLost(process, lane, why);
      },
    });
    return lane;
  }

  function onLaneLost(process: AttemptProcess, lane: Lane, why: string): void {
    process.lane = undefined;
    if (process.hasEnded) return;
    const unheard: ProcessEnd = lane.root
      ? { kind: 'signalled', signal: 'SIGKILL' }
      : { kind: 'unstartable', why: `could not exec: ${why}` };
    // Its last report may be lost with it; the exit file then knows better.
    onEnd(process, readExitRecord(process).end ?? unheard, !lane.root);
  }

  function launch(process: AttemptProcess, spec: ProcessSpec): void {
    const [lane = open()] = idle;
    idle.delete(lane);
    const ticket = ++tickets;
    busy.set(lane, { process, ticket });
    launched.add(process.key);
    process.lane = lane;
    process.root = lane.root;
    lane.run(taskText(spec, machine, process, ticket));
    // Not at once, as a caller expects of an event; and before any that the lane can cause.
    queueMicrotask(() => process.on.started(undefined));
  }

  return {
    launch(process, spec) {
      if (launched.size < slots) launch(process, spec);
      else waiting.set(process.key, { process, spec });
    },
    cancel: ({ key }) => waiting.delete(key),
    giveBack({ key, lane }) {
      if (lane && busy.delete(lane)) idle.add(lane);
      launched.delete(key);
      const [next] = waiting.values();
      if (!next || launched.size >= slots) return;
      waiting.delete(next.process.key);
      launch(next.process, next.spec);
    },
    async close() {
      for (const lane of busy.keys()) lane.abandon();
      await Promise.all([...idle].map((lane) => lane.end()));
    },
  };
}

function endOf(process: AttemptProcess, status: string): ProcessEnd {
  if (status === '0') return { kind: 'exited', code: 0 };
  if (status === 'none') {
    return { kind: 'unstartable', why: 'could not exec: the attempt has no directory to write in' };
  }
  return readExitRecord(process).end ?? { kind: 'exited', code: Number(status) };
}
