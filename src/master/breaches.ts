/** What is kept of a broken invariant: enough to see afterwards what the master decided, and when. */
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { History } from './history.ts';
import type { Breach, Invariant } from './monitor.ts';

/** Writes a capsule under a name; what it cannot write is its own matter. */
export type KeepCapsule = (name: string, text: string) => Promise<void>;

/** A bug that breaks one invariant breaks it again and again: the first ones tell most. */
const KEPT_OF_EACH_MAX = 20;

export function makeBreachKeeper(ports: {
  log: Log;
  historyOf: History['historyOf'];
  keep: KeepCapsule | undefined;
}): (breach: Breach) => void {
  const { log, historyOf, keep } = ports;
  const kept = new Map<Invariant, number>();

  async function save({ invariant, event, run, what }: Breach): Promise<void> {
    // By itself, since the history may be what is wrong.
    const history = await historyOf(run).catch((error: unknown) => messageOf(error));
    const capsule = { invariant, what, event, run, history };
    await keep?.(
      `${invariant}-${run.id}-${event.seq}.json`,
      `${JSON.stringify(capsule, secretless, 2)}\n`,
    );
  }

  return (breach) => {
    const { invariant, event, run, what } = breach;
    const count = (kept.get(invariant) ?? 0) + 1;
    kept.set(invariant, count);
    if (count > KEPT_OF_EACH_MAX) return;
    const fields = { code: 'monitor.breach', invariant, run: run.id, seq: event.seq };
    log.error(fields, `${what}: this is a bug, please report it with what is in breaches/`);
    save(breach).catch((error: unknown) => {
      log.warn({ ...fields, err: messageOf(error) }, 'cannot keep what shows the breach');
    });
  };
}

/** An attempt's token proves who may report on it. */
function secretless(name: string, value: unknown): unknown {
  return name === 'token' ? undefined : value;
}
