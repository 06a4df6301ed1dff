/** When the lines of a log were written: asked for as far as it is read, where somebody wants it. */
import { batch, createEffect, createSignal, on, onCleanup } from 'solid-js';
import { ApiError, askJson, segment } from '../base/api.ts';
import { after, throttled } from '../base/clock.ts';
import { query, setQuery } from '../base/router.ts';
import { announce } from '../base/use.ts';
import type { OutputTimes } from '../../protocol/http.ts';
import type { LogSource, WantedOutput } from './log-source.ts';
import { joined, timeOf } from './marks.ts';
import type { Marks } from './marks.ts';

const ASK_MS = 400;
const RETRY_MS = 2000;

export function useLogTimes(log: LogSource, wanted: () => WantedOutput | undefined) {
  const [marks, setMarks] = createSignal<Marks>([]);
  const [error, setError] = createSignal<ApiError>();
  const isShown = () => query('times') !== undefined;
  /** Bytes before that one have their times, where there are any. */
  const [known, setKnown] = createSignal(0);
  let controller = new AbortController();
  let callOff = () => {};

  async function learn(): Promise<void> {
    const [text, output] = [log.text(), wanted()];
    if (!isShown() || !output || text.size <= known()) return;
    const { signal } = controller;
    const { size } = text;
    const path = `/api/runs/${segment(output.id)}/outputs/${output.stream}/times`;
    try {
      const more = await askJson<OutputTimes>(`${path}?attempt=${output.attempt}&from=${known()}`, {
        signal,
      });
      if (signal.aborted) return;
      batch(() => {
        setMarks((before) => joined(before, more.marks));
        // Times can be asked for as soon as bytes can be read.
        setKnown((before) => Math.max(before, size));
        setError(undefined);
      });
    } catch (thrown) {
      if (signal.aborted) return;
      if (!(thrown instanceof ApiError)) throw thrown;
      setError(thrown);
      if (thrown.status === 0 || thrown.status >= 500) callOff = after(RETRY_MS, soon.call);
    }
  }

  const soon = throttled(ASK_MS, () => void learn());
  createEffect(
    on(log.text, () => {
      controller.abort();
      controller = new AbortController();
      setKnown(0);
      setMarks([]);
      setError(undefined);
    }),
  );
  createEffect(on([isShown, log.version, log.isComplete], soon.call));
  onCleanup(() => {
    callOff();
    soon.stop();
    controller.abort();
  });

  return {
    isShown,
    error,
    show(on: boolean): void {
      setQuery({ times: on ? '1' : undefined });
      announce(on ? 'Times are shown.' : 'Times are hidden.');
    },
    /** When its first byte came; undefined: that is not known. */
    of(line: number): number | undefined {
      const start = log.text().startOf(line);
      return start < known() ? timeOf(marks(), start) : undefined;
    },
  };
}
