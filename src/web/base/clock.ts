/** Time in a browser: the only file of the page that asks for it. */

/** Milliseconds since 1970. */
export function wall(): number {
  return Date.now();
}

/** Calls back once after `ms`; what comes back calls it off. */
export function after(ms: number, callback: () => void): () => void {
  const handle = setTimeout(callback, ms);
  return () => clearTimeout(handle);
}

/** Calls back every `ms` until called off. */
export function every(ms: number, callback: () => void): () => void {
  const handle = setInterval(callback, ms);
  return () => clearInterval(handle);
}

/** Calls `act` at most once each `ms`, and once more after the last call. */
export function throttled(ms: number, act: () => void): { call: () => void; stop: () => void } {
  let stop: (() => void) | undefined;
  let again = false;
  const run = () => {
    stop = after(ms, () => {
      stop = undefined;
      if (!again) return;
      again = false;
      run();
    });
    act();
  };
  return {
    call() {
      if (stop) again = true;
      else run();
    },
    stop: () => stop?.(),
  };
}

export function parseInstant(text: string): number {
  return Date.parse(text);
}

/** As the master reads and writes it. */
export function formatInstant(ms: number): string {
  return new Date(ms).toISOString();
}

/** `12:01:03.221` in the time zone of who looks. */
export function clockTime(ms: number, withMs = false): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMs ? `${time}.${String(date.getMilliseconds()).padStart(3, '0')}` : time;
}

/** `2026-11-21 12:01:03` in the time zone of who looks. */
export function dateTime(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockTime(ms)}`;
}
