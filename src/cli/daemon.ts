import type { CliHost, StopSignal } from './host.ts';

/** A program that runs until it is told to go. */
export interface Daemon {
  /** Settles when it ends by itself; what it rejects with is why it cannot go on. */
  done: Promise<unknown>;
  leave: (signal: StopSignal) => Promise<void>;
  force: () => Promise<void>;
}

/**
 * Starts a daemon and stays with it until it ends; resolves with the exit status. The first signal
 * asks it to leave, the second ends it now: 128 and the signal's number.
 */
export async function untilAsked(host: CliHost, start: () => Promise<Daemon>): Promise<number> {
  const signals: StopSignal[] = [];
  let wake = () => {};
  const undo = host.onStop((signal) => {
    signals.push(signal);
    wake();
  });
  const heard = async (count: number) => {
    while (signals.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return signals[count - 1]!;
  };
  try {
    const daemon = await Promise.race([start(), heard(2)]);
    if (typeof daemon === 'string') return exitOf(daemon);
    const first = await Promise.race([heard(1), daemon.done.then(() => undefined)]);
    if (first === undefined) return 0;
    const left = daemon.leave(first).then(() => undefined);
    const second = await Promise.race([left, heard(2)]);
    if (second === undefined) return 0;
    await daemon.force();
    return exitOf(second);
  } finally {
    undo();
  }
}

function exitOf(signal: StopSignal): number {
  return signal === 'SIGINT' ? 130 : 143;
}
