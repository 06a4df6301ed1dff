/** What chaos runs do, and what must be recorded of them, by their number. */
import { sha256Of } from '../../src/base/sha256.ts';
import type { RunRequestInput } from '../../src/protocol/run.ts';
import type { Draw } from '../sim/draw.ts';

export interface Task {
  index: number;
  request: RunRequestInput;
  /** The exit code of each attempt that ends by itself. */
  code: number;
  /** Digest of what it writes to stdout. */
  sha256: string;
  /** Somebody aborts it about then. */
  abortAfterMs?: number;
}

/**
 * Each attempt leaves a line in a file of its slave when it starts and another when it ends, with
 * the time: what really happened, whatever anybody recorded.
 */
export function drawTask(index: number, marks: string, draw: Draw): Task {
  const seconds = draw.chance(0.1) ? draw.between(1.5, 4) : draw.exponential(0.25);
  const code = draw.chance(0.15) ? draw.int(1, 9) : 0;
  const lines = draw.chance(0.2) ? draw.int(500, 4000) : 1;
  const mark = (what: string) =>
    `echo "${what} $RUNYARD_ATTEMPT $(date +%s%N)" >> ${marks}/$RUNYARD_SLAVE`;
  const script = [
    mark('start'),
    `seq ${index} ${index + lines - 1}`,
    `sleep ${seconds.toFixed(2)}`,
    mark(`end:${code}`),
    `exit ${code}`,
  ].join('; ');
  const text = Array.from({ length: lines }, (_, line) => `${index + line}\n`).join('');
  const retry = { backoffMs: 50, backoffMaxMs: 200 };
  return {
    index,
    code,
    sha256: sha256Of(text),
    request: {
      name: `chaos-${index}`,
      key: `chaos-${index}`,
      argv: ['sh', '-c', script],
      retries: draw.int(0, 2),
      retry,
      lostMax: 100,
      exclusive: draw.chance(0.15),
    },
    ...(draw.chance(0.06) ? { abortAfterMs: draw.exponential(700) } : {}),
  };
}
