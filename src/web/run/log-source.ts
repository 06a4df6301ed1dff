/** Reads an output to where it is, then looks for more as long as there can be. */
import { createEffect, createMemo, createSignal, on, onCleanup } from 'solid-js';
import type { Accessor } from 'solid-js';
import { ApiError, ask, segment, token } from '../base/api.ts';
import { after } from '../base/clock.ts';
import { makeLogText } from './log-text.ts';
import type { LogText } from './log-text.ts';

/**
 * A request that stays open would do, too, but a browser opens six to one host: the seventh tab
 * with a log would not load.
 */
const LOOK_MS = 400;
const RETRY_MS = 2000;

export interface LogSource {
  /** A new one for each output. */
  text: Accessor<LogText>;
  /** Grows with each piece that came: what reads the text looks at it. */
  version: Accessor<number>;
  isComplete: Accessor<boolean>;
  error: Accessor<ApiError | undefined>;
}

export interface WantedOutput {
  id: string;
  stream: string;
  attempt: number;
}

export function useLog(wanted: Accessor<WantedOutput | undefined>): LogSource {
  const [text, setText] = createSignal(makeLogText());
  const [version, setVersion] = createSignal(0);
  const [isComplete, setComplete] = createSignal(false);
  const [error, setError] = createSignal<ApiError>();
  let stop = () => {};

  // Other parts of the address than these change, too, and must not begin it anew.
  const key = createMemo(() => JSON.stringify([wanted() ?? null, token()]));
  createEffect(
    on(key, () => {
      stop();
      const log = makeLogText();
      setText(log);
      setVersion(0);
      setComplete(false);
      const now = wanted();
      if (now) stop = read(now, log);
    }),
  );
  onCleanup(() => stop());

  function read({ id, stream, attempt }: WantedOutput, log: LogText): () => void {
    const controller = new AbortController();
    const { signal } = controller;
    const path = `/api/runs/${segment(id)}/outputs/${stream}?attempt=${attempt}`;
    let callOff = () => {};
    const look = async () => {
      try {
        const done = await readOn(path, log, signal, () => setVersion((before) => before + 1));
        if (signal.aborted) return;
        setError(undefined);
        setComplete(done);
        if (!done) callOff = after(LOOK_MS, () => void look());
      } catch (thrown) {
        if (signal.aborted) return;
        if (!(thrown instanceof ApiError)) throw thrown;
        setError(thrown);
        if (thrown.status === 0 || thrown.status >= 500)
          callOff = after(RETRY_MS, () => void look());
      }
    };
    void look();
    return () => {
      callOff();
      controller.abort();
    };
  }

  return { text, version, isComplete, error };
}

/** Reads what is there beyond what is known; whether that is all there will ever be. */
async function readOn(
  path: string,
  log: LogText,
  signal: AbortSignal,
  onBytes: () => void,
): Promise<boolean> {
  // From the last byte that is known: a range that begins at the end would be an error.
  const known = log.size;
  const headers: Record<string, string> = known > 0 ? { range: `bytes=${known - 1}-` } : {};
  const answer = await ask(path, { headers, signal });
  let skip = known > 0 ? 1 : 0;
  try {
    for (const reader = answer.body!.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (signal.aborted) return false;
      log.append(value.subarray(skip));
      skip = 0;
      onBytes();
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError(0, { code: 'net.cut', message: 'the output was cut short on its way' });
  }
  return answer.headers.get('x-runyard-complete') === 'true';
}
