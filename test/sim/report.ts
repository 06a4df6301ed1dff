/** What `npm run sim` says to people. */
import type { RangeReport } from './range.ts';
import type { Violation } from './world.ts';

/** The last line of a range. */
export function lineOf(report: RangeReport): string {
  const { seeds, failed, events, faults, clusterHours, cpuSeconds, hash } = report;
  const speed = Math.round(events / Math.max(cpuSeconds, 1e-3));
  return (
    `${count(seeds, 'seed')}, ${failed.length} failed, ${events} events, ${faults} faults, ` +
    `${clusterHours.toFixed(1)} cluster-hours, ${cpuSeconds.toFixed(1)} CPU-s, ` +
    `${speed} events per CPU-s, hash ${hash}`
  );
}

/** `again` is the command that shows it again. */
export function linesOfFailure(
  name: string,
  violations: readonly Violation[],
  again: string,
): string[] {
  return [
    `${name} FAILED`,
    ...violations.map(
      ({ oracle, atMs, what }) => `  ${oracle} at ${(atMs / 1000).toFixed(3)} s: ${what}`,
    ),
    `  again: ${again}`,
  ];
}

export function lineOfOpen(open: RangeReport['open']): string[] {
  const names = Object.entries(open).map(([name, times]) => `${name} ${times}`);
  return names.length === 0 ? [] : [`open, as oracles/open.ts tells: ${names.join(', ')}`];
}

/**
 * A line on how far a long range is: on a terminal each second, over the last one; elsewhere every
 * ten seconds. Nothing for what is over at once.
 */
export function makeProgress(
  total: number,
  { isTerminal, write }: { isTerminal: boolean; write: (text: string) => void },
): { show: (seeds: number, failed: number) => void; end: () => void } {
  const everyMs = isTerminal ? 1_000 : 10_000;
  const startedAt = performance.now();
  let shownAt = startedAt;
  let isShown = false;
  return {
    show(seeds, failed) {
      const now = performance.now();
      if (now - shownAt < everyMs) return;
      shownAt = now;
      const elapsedMs = now - startedAt;
      const leftS = Math.round(((total - seeds) * elapsedMs) / seeds / 1000);
      const text = `${seeds} of ${total} seeds, ${failed} failed, ${leftS} s to go`;
      isShown = isTerminal;
      write(isTerminal ? `\r\u001b[K${text}` : `${text}\n`);
    },
    end: () => isShown && write('\r\u001b[K'),
  };
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
