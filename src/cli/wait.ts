/** Waits for runs, and shows what they write meanwhile; a master that restarts is waited for. */
import { isYardError } from '../base/errors.ts';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { isDone } from '../protocol/run.ts';
import type { RunStatus } from '../protocol/run.ts';
import type { Stream } from '../protocol/outputs.ts';
import type { Client } from './host.ts';

export interface Waiting {
  client: Client;
  clock: Clock;
  signal: AbortSignal;
  /** How each change of state is told. */
  onChange: (run: RunStatus) => void;
  onTrouble: (line: string) => void;
}

const ASK_MS = 20_000;
const POLL_MIN_MS = 50;
const POLL_MAX_MS = 500;
const RETRY_MS = 1000;
/** A master that restarts is back long before this. */
const PATIENCE_MS = 5 * 60_000;

/** Resolves with the run once it is done. */
export async function waitForRun(runId: string, waiting: Waiting): Promise<RunStatus> {
  const { client, onChange } = waiting;
  let stood = '';
  for (;;) {
    const run = await patiently(waiting, () => client.waitRun(runId, ASK_MS, waiting.signal));
    const stands = standing(run);
    if (stands !== stood) onChange(run);
    stood = stands;
    if (isDone(run.state)) return run;
  }
}

/** Is called again with the same bytes if it rejects because the master is away. */
export type Sink = (bytes: Uint8Array, attempt: number) => void | Promise<void>;

/**
 * Hands on what a run writes as it comes, attempt after attempt; resolves with the run once it is
 * done and all of it was handed on.
 */
export async function followRun(
  runId: string,
  sinks: Partial<Record<Stream, Sink>>,
  waiting: Waiting,
): Promise<RunStatus> {
  const { client, clock, signal, onChange } = waiting;
  const streams = Object.keys(sinks) as Stream[];
  let place: Place = { attempt: 0, offsets: {} };
  let pollMs = POLL_MIN_MS;
  let stood = '';
  for (;;) {
    const run = await patiently(waiting, () => client.getRun(runId));
    if (standing(run) !== stood) onChange(run);
    stood = standing(run);
    const before = JSON.stringify(place);
    if (hasOutputs(run) && !isAllCopied(run, streams, place)) {
      if (run.attempt !== place.attempt) place = { attempt: run.attempt, offsets: {} };
      await Promise.all(streams.map((stream) => copy(stream, place)));
    }
    // It was done before its outputs were copied, so none of them is missing.
    if (isDone(run.state)) return run;
    if (JSON.stringify(place) !== before) {
      pollMs = POLL_MIN_MS;
      continue;
    }
    await sleep(clock, pollMs, signal);
    pollMs = Math.min(pollMs * 2, POLL_MAX_MS);
  }

  /** Ends with the attempt, or with a master that closes: then it is taken up where it was. */
  async function copy(stream: Stream, { attempt, offsets }: Place): Promise<void> {
    await patiently(waiting, async () => {
      const options = { follow: true, attempt, from: offsets[stream] ?? 0, signal };
      for await (const bytes of client.followOutput(runId, stream, options)) {
        await sinks[stream]!(bytes, attempt);
        offsets[stream] = (offsets[stream] ?? 0) + bytes.length;
      }
    });
  }
}

interface Place {
  attempt: number;
  offsets: Partial<Record<Stream, number>>;
}

function isAllCopied(run: RunStatus, streams: readonly Stream[], place: Place): boolean {
  if (!isDone(run.state) || run.attempt !== place.attempt) return false;
  return streams.every((stream) => place.offsets[stream] === run.outputs?.[stream].bytes);
}

/** An attempt that was only assigned may yet be withdrawn, and has written nothing. */
function hasOutputs({ state, stdoutRef, attempt }: RunStatus): boolean {
  return attempt > 0 && (state === 'RUNNING' || stdoutRef !== undefined);
}

export function standing({ state, substate, attempt, slave }: RunStatus): string {
  return `${state} ${substate ?? ''} ${attempt} ${slave ?? ''}`;
}

/** Asks again while the master is away; who waits has heard from it before. */
async function patiently<T>(waiting: Waiting, ask: () => Promise<T>): Promise<T> {
  const { clock, signal, onTrouble } = waiting;
  let giveUpAt: number | undefined;
  for (;;) {
    const askedAt = clock.now();
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!isYardError(error) || !/^(?:net|master)\./.test(error.code)) throw error;
      // What lasted so long was answered: this is another outage.
      if (clock.now() - askedAt > ASK_MS) giveUpAt = undefined;
      giveUpAt ??= clock.now() + PATIENCE_MS;
      if (clock.now() >= giveUpAt) throw error;
      onTrouble(error.message);
      await sleep(clock, RETRY_MS, signal);
    }
  }
}
