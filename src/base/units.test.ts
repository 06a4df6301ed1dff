import { expect, test } from 'vitest';
import { formatBytes, formatDuration, formatInstant, parseDuration } from './units.ts';

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['10m', 600_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1_500],
  ['0s', 0],
])('%s is %s ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', '5', 's', '-1s', '1 h', '1s x', '1e3s', '1y', 'PT1S'])(
  '%j is no duration',
  (text) => {
    expect(() => parseDuration(text)).toThrow(
      /^input.duration: ".*" is not a duration, write 500ms/,
    );
  },
);

test.each([
  [0, '0ms'],
  [999, '999ms'],
  [4_200, '4.2s'],
  [60_000, '1m 0s'],
  [5_400_000, '1h 30m'],
  [90_000_000, '1d 1h'],
])('%s ms read %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test('sizes and instants are written as people read them', () => {
  const sizes = [5, 1_024, 1_572_864, 2 ** 31].map(formatBytes);
  expect(sizes).toEqual(['5 B', '1.0 KiB', '1.5 MiB', '2.0 GiB']);
  expect(formatInstant(0)).toBe('1970-01-01T00:00:00.000Z');
  for (const at of [999, 1000, 1_700_000_000_007, 1_700_000_000_090, -1, 253_402_300_800_000]) {
    expect(formatInstant(at)).toBe(new Date(at).toISOString());
  }
  expect(() => formatInstant(Number.NaN)).toThrow(RangeError);
});
