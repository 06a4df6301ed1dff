import type { Clock, Timer } from '../../base/clock.ts';
import type { Adopted, AttemptKey, ProcessEnd, ProcessEvents } from '../ports.ts';
import { type AttemptProcess, makeAttemptProcess, readExitRecord } from './attempt-process.ts';
import { isAlive, readTable, selectTree } from './process-tree.ts';

const WATCH_MS = 50;

/** Takes over attempts whose lanes belonged to an earlier process of this slave. */
export interface Adoption {
  adopt: (keys: readonly AttemptKey[], on: (key: AttemptKey) => ProcessEvents) => Adopted[];
  close: () => void;
}

export function makeAdoption(
  clock: Clock,
  workRoot: string,
  onAdopted: (process: AttemptProcess) => void,
  onEnd: (process: AttemptProcess, end: ProcessEnd) => void,
): Adoption {
  const watched = new Set<AttemptProcess>();
  let timer: Timer | undefined;

  function watch(): void {
    timer = undefined;
    for (const process of watched) {
      // In this order: a lane writes the end before it goes.
      const lives = process.root !== undefined && isAlive(process.root);
      const { end } = readExitRecord(process);
      if (!end && lives) continue;
      watched.delete(process);
      // What lives on without its lane can tell nobody how it ends.
      onEnd(process, end ?? { kind: 'signalled', signal: 'SIGKILL' });
    }
    arm();
  }

  function arm(): void {
    if (watched.size > 0) timer ??= clock.setTimeout(watch, WATCH_MS);
  }

  return {
    adopt(keys, on) {
      const table = readTable();
      return keys.map((key) => {
        const exitFile = `${workRoot}/attempts/${key}/exit`;
        const { lane, end } = readExitRecord({ exitFile, key });
        const lives = (lane && isAlive(lane)) || selectTree(table, lane, key).length > 0;
        if (!end && !lives) return { key, state: 'gone' };
        const isolation = lane?.isolation ?? 'none';
        const fixed = { key, isolation, group: lane?.group, exitFile, on: on(key) };
        const process = makeAttemptProcess(fixed, lane);
        process.hasEnded = end !== undefined;
        onAdopted(process);
        if (end) clock.soon(() => onEnd(process, end));
        else watched.add(process);
        arm();
        return { key, state: end ? 'ended' : 'running' };
      });
    },
    close() {
      watched.clear();
      timer?.cancel();
    },
  };
}
