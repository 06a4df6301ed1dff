import { YardError, quote } from './errors.ts';

const MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `500ms`, `30s`, `10m`, `2h`, `1d`, or several together (`1h30m`), into milliseconds. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) {
    throw new YardError('input.duration', `${quote(text)} is not a duration`, {
      hint: 'write 500ms, 30s, 10m, 2h or 1h30m',
    });
  }
  return Math.round(parts.reduce((sum, [, number, unit]) => sum + Number(number) * MS[unit!]!, 0));
}

/** Writes milliseconds as people read them, to two units: `1h 30m`, `4.2s`, `18ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h >= 24) return `${Math.floor(h / 24)}d ${h % 24}h`;
  return h > 0 ? `${h}h ${m}m` : `${m}m ${s}s`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 2 ** 10) return `${bytes} B`;
  if (bytes < 2 ** 20) return `${(bytes / 2 ** 10).toFixed(1)} KiB`;
  if (bytes < 2 ** 30) return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

/** Writes an instant as RFC 3339 in UTC. Throws a RangeError for what is none. */
export function formatInstant(wallMs: number): string {
  const second = Math.floor(wallMs / 1000);
  if (second !== lastSecond.second) {
    lastSecond = { second, text: new Date(second * 1000).toISOString().slice(0, -'000Z'.length) };
  }
  const millis = String(Math.floor(wallMs) - second * 1000).padStart(3, '0');
  return `${lastSecond.text}${millis}Z`;
}

/** Reads RFC 3339 into milliseconds since 1970. */
export function readInstant(text: string): number {
  return Date.parse(text);
}

/** Many events share a second, and a calendar is slow. */
let lastSecond = { second: Number.NaN, text: '' };
