/** People who look on: they ask why a run waits, follow what it writes, and go away at any time. */
import { sleep } from '../../src/base/clock.ts';
import type { Clock } from '../../src/base/clock.ts';
import { isYardError } from '../../src/base/errors.ts';
import type { MasterService } from '../../src/protocol/service.ts';
import type { Draw } from './draw.ts';
import type { Answer } from './oracles/oracle.ts';

export interface OnlookerPorts {
  clock: Clock;
  draw: Draw;
  /** Asks until there is an answer. */
  ask: <T>(
    serve: (service: MasterService) => Promise<T>,
    toAnswer: (value: T) => Answer | undefined,
  ) => Promise<T>;
}

/** Looks at a run until it has seen enough. Nothing of it may change anything. */
export async function lookOn(ports: OnlookerPorts, runId: string): Promise<void> {
  const { clock, draw, ask } = ports;
  for (let times = draw.int(1, 4); times > 0; times--) {
    await ask((service) => service.why(runId), untold);
    await ask((service) => service.metrics(), untold);
    await sleep(clock, draw.exponential(2_000));
    await waitAWhile(ports, runId);
    await followAWhile(ports, runId);
  }
}

/** Goes away before or after the answer; what it asked for is then no longer waited for. */
async function waitAWhile({ clock, draw, ask }: OnlookerPorts, runId: string): Promise<void> {
  const leaving = new AbortController();
  const timer = clock.setTimeout(() => leaving.abort(), draw.pick([0, 500, 5_000]));
  await ask(
    (service) => service.waitRun(runId, 3_000, leaving.signal),
    (status) => ({ kind: 'status', status }),
  );
  timer.cancel();
}

async function followAWhile({ clock, draw, ask }: OnlookerPorts, runId: string): Promise<void> {
  const leaving = new AbortController();
  const options = { follow: true };
  try {
    await ask(async (service) => {
      const { body } = await service.openOutput(runId, 'combined', options, leaving.signal);
      // Whoever reads it has gone, or its master has.
      body.on('error', () => {});
      body.resume();
    }, untold);
  } catch (error) {
    if (!isYardError(error) || !error.code.startsWith('output.')) throw error;
  }
  await sleep(clock, draw.exponential(2_000));
  leaving.abort();
}

/** Nothing that is to be compared with what is on disk. */
function untold(): undefined {}
