/**
 * A master that a full disk does not end. Once a commit has failed, what is in memory is ahead of
 * the disk, so that only a new start from the disk is safe. Until there is room for that, the same
 * address answers with `store.full`: people and probes read why, slaves wait and keep what they have.
 */
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { YardError, isYardError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { MasterService } from '../protocol/service.ts';

interface Serving {
  readonly url: string;
  /** Rejects when it cannot go on. */
  readonly done: Promise<never>;
  close: () => Promise<void>;
}

export interface KeepPorts {
  clock: Clock;
  log: Log;
  /** Starts a master; `url` and what is to be done before it listens: where it is one after another. */
  start: (again?: { url: string; beforeListening: () => Promise<void> }) => Promise<Serving>;
  /** Answers for a while at that address, by this service. */
  standIn: (url: string, service: MasterService) => Promise<Pick<Serving, 'close'>>;
  /** Whether there is room to open the state and to write for a while. */
  hasRoom: () => Promise<boolean>;
}

const RETRY_MS = 1_000;

/** The first start must succeed; `done` then rejects for anything else than want of room. */
export async function keep(ports: KeepPorts): Promise<Serving> {
  const { clock, log } = ports;
  const closing = new AbortController();
  const first = await ports.start();
  let serving: Pick<Serving, 'close'> = first;

  async function goOn(): Promise<never> {
    for (let running = first; ;) {
      serving = running;
      const why = await running.done.catch((error: unknown) => error);
      if (!isFull(why) || closing.signal.aborted) throw why;
      log.error({ err: why.message }, 'the disk is full: nothing is taken until there is room');
      await running.close();
      running = await startWhenRoom(why);
      if (closing.signal.aborted) await running.close();
      log.info({}, 'there is room again');
    }
  }

  async function startWhenRoom(why: YardError): Promise<Serving> {
    const { url } = first;
    const standIn = await ports.standIn(url, refusing(why));
    serving = standIn;
    for (;;) {
      await sleep(clock, RETRY_MS, closing.signal);
      if (!(await ports.hasRoom())) continue;
      try {
        return await ports.start({ url, beforeListening: () => standIn.close() });
      } catch (error) {
        if (!isFull(error)) throw error;
      }
    }
  }

  const done = goOn();
  done.catch(() => {});
  return {
    url: first.url,
    done,
    async close() {
      closing.abort();
      await serving.close();
    },
  };
}

function isFull(error: unknown): error is YardError {
  return isYardError(error) && error.code === 'store.full';
}

/** Says of all that it is asked why it cannot be. */
function refusing({ code, what }: YardError): MasterService {
  const hint = 'free some space below --state: the master then goes on by itself';
  const readiness = async () => ({ ready: false, checks: { store: `${code}: ${what}, ${hint}` } });
  const refuse = async () => {
    throw new YardError(code, what, { hint });
  };
  return new Proxy({} as MasterService, {
    get: (_, name) => (name === 'readiness' ? readiness : refuse),
  });
}
