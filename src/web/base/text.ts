/** Figures as people read them. Pure. */

const UNITS: [ms: number, name: string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
];

/** `3.2 s`, `4 m 10 s`, `2 h 5 m`: two units at most. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const index = UNITS.findIndex(([unit]) => ms >= unit);
  const [unit, name] = UNITS[index]!;
  const [next, nextName] = UNITS[index + 1]!;
  const rest = Math.floor((ms % unit) / next);
  return `${Math.floor(ms / unit)} ${name}${rest > 0 ? ` ${rest} ${nextName}` : ''}`;
}

export function bytes(count: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let index = 0;
  for (; value >= 1024 && index < names.length - 1; index++) value /= 1024;
  return `${index === 0 ? value : value.toFixed(1)} ${names[index]}`;
}

/** `1,234,567`. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `90s`, `15m`, `2h`, `7d` in milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (!match) return undefined;
  const unit = match[2] === 'ms' ? 1 : UNITS.find(([, name]) => name === match[2])![0];
  return Number(match[1]) * unit;
}

/** One line for a value of a context or an event. */
export function shown(value: unknown): string {
  if (value === undefined) return '–';
  // A digest tells apart by its first letters.
  return JSON.stringify(value).replaceAll(/"([0-9a-f]{10})[0-9a-f]{30,}"/g, '"$1…"');
}
