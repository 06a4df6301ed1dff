/** What `--wait`, `--follow` and `run wait` share: waiting until Ctrl-C, and how a run ended. */
import type { RunStatus } from '../protocol/run.ts';
import { formatDuration } from '../base/units.ts';
import type { Call } from './call.ts';
import { EXIT } from './exit-status.ts';
import { makeSanitiser, oneLine } from './sanitise.ts';
import type { Outlet } from './host.ts';
import type { Waiting } from './wait.ts';

/** Waits with `wait` until it is done or the user is tired of it; the runs go on either way. */
export async function untilStopped<Flags>(
  call: Call<Flags>,
  runIds: readonly string[],
  wait: (waiting: Waiting) => Promise<number>,
): Promise<number> {
  const { host, screen } = call;
  const controller = new AbortController();
  const stopListening = host.onStop((signal) => controller.abort(signal));
  let troubled = false;
  const waiting = {
    client: call.client(),
    clock: host.clock,
    signal: controller.signal,
    onChange: (run: RunStatus) => screen.say(changeLine(run)),
    onTrouble(line: string) {
      if (!troubled) screen.tell(`${line}; asking again`);
      troubled = true;
    },
  };
  try {
    return await wait(waiting);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    const [first] = runIds;
    screen.tell(`still there: ${runIds.join(' ')}; stop with "runyard run abort ${first}"`);
    return controller.signal.reason === 'SIGTERM' ? 143 : EXIT.aborted;
  } finally {
    stopListening();
  }
}

function changeLine(run: RunStatus): string {
  const where = run.slave === undefined ? '' : ` on ${run.slave}`;
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : '';
  return `${run.runId} ${stateText(run)}${where}${attempt}`;
}

export function stateText({
  state,
  substate,
  hold,
}: Pick<RunStatus, 'state' | 'substate' | 'hold'>): string {
  const held = hold && substate !== 'held' ? ', held' : '';
  return `${state}${substate === undefined ? '' : ` ${substate}`}${held}`;
}

/** `COMPLETE exited 3 after 4.2s`, and where to read more. */
export function endLine(run: RunStatus): string {
  const { runId, state, reason, error, startedAt, finishedAt } = run;
  const took =
    startedAt && finishedAt
      ? ` after ${formatDuration(Date.parse(finishedAt) - Date.parse(startedAt))}`
      : '';
  const why = error === undefined || error === reason ? '' : `: ${error}`;
  const phrase = reason === undefined ? '' : ` ${reason}`;
  return oneLine(`${runId} ${state}${phrase}${took}${why}; see "runyard run show ${runId}"`);
}

/** Programs read the exit status; that a task did not end by itself they are told as well. */
export function tellEnd<Flags>({ screen }: Call<Flags>, run: RunStatus): void {
  if (run.state === 'COMPLETE') screen.say(endLine(run));
  else screen.tell(endLine(run));
}

/** Prints a stream as it comes: safe for a terminal, or byte for byte. */
export function makeSink<Flags>(call: Call<Flags>, outlet: Outlet, raw: boolean): EndingSink {
  if (raw) return { sink: outlet.write, end: () => {} };
  const colour = call.screen.hasColour || !outlet.isTerminal;
  const sanitiser = makeSanitiser({ colour });
  const decoder = new TextDecoder();
  return {
    sink: (bytes) => outlet.print(sanitiser.push(decoder.decode(bytes, { stream: true }))),
    end: () => outlet.print(sanitiser.push(decoder.decode()) + sanitiser.end()),
  };
}

export interface EndingSink {
  sink: (bytes: Uint8Array) => void;
  end: () => void;
}
