/** Readers of flags' values; what they refuse becomes a usage error that names the flag. */
import { InvalidArgumentError } from 'commander';
import { isYardError } from '../base/errors.ts';
import { formatInstant, parseDuration, readInstant } from '../base/units.ts';

export function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Write a whole number from ${min} to ${max}.`);
  };
}

export function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    if (!isYardError(error)) throw error;
    throw new InvalidArgumentError(`Write 500ms, 30s, 10m, 2h or 1h30m.`);
  }
}

/** Reads how long ago, or an instant or day in UTC; gives the instant from what time it is. */
export function ago(text: string): (wallMs: number) => string {
  const instant = /^\d{4}-\d\d-\d\d/.test(text) ? readInstant(text) : Number.NaN;
  if (!Number.isNaN(instant)) return () => formatInstant(instant);
  try {
    const ms = parseDuration(text);
    return (wallMs) => formatInstant(Math.max(0, wallMs - ms));
  } catch (error) {
    if (!isYardError(error)) throw error;
    throw new InvalidArgumentError('Write 90m, 12h, 7d, 2026-11-21 or 2026-11-21T08:30:00Z.');
  }
}

export function webAddress(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new InvalidArgumentError('Write http://HOST/PATH or https://HOST/PATH.');
}

/** Collects `K=V` flags. */
export function pair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write NAME=VALUE.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Collects `K=N` flags. */
export function amount(text: string, before: Record<string, number> = {}): Record<string, number> {
  const [, name, number] = /^([^=]+)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('Write NAME=NUMBER.');
  return { ...before, [name]: Number(number) };
}

/** Collects flags that may be given again and again. */
export function several(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

export function wholeNumbers(min: number, max: number) {
  const one = wholeNumber(min, max);
  return (text: string): number[] => text.split(',').map((part) => one(part.trim()));
}

/** What environment variables mean by yes and no. */
export function truth(text: string): boolean {
  if (/^(?:1|true|yes|on)$/i.test(text)) return true;
  if (/^(?:0|false|no|off|)$/i.test(text)) return false;
  throw new InvalidArgumentError('Write 1 or 0.');
}
