import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeLogText } from './log-text.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const drawnText = (log: ReturnType<typeof makeLogText>) =>
  log.draw(0, log.lines).map((pieces) => pieces.map(({ text }) => text).join(''));

test('lines are the same however their bytes were cut', () => {
  const text = fc.array(
    fc.oneof(fc.constant('\n'), fc.constant('\u001b[31m'), fc.constant('grün'), fc.string()),
  );
  fc.assert(
    fc.property(text, fc.array(fc.nat(20)), (parts, cuts) => {
      const bytes = bytesOf(parts.join('').replaceAll('\r', ''));
      const whole = makeLogText();
      whole.append(bytes);
      const pieces = makeLogText();
      let at = 0;
      for (const cut of cuts) {
        pieces.append(bytes.subarray(at, at + cut));
        at += cut;
      }
      pieces.append(bytes.subarray(at));
      expect(pieces.lines).toBe(whole.lines);
      expect(pieces.draw(0, pieces.lines)).toEqual(whole.draw(0, whole.lines));
    }),
  );
});

test('a line without an end counts, and an end begins none', () => {
  const log = makeLogText();
  expect(log.lines).toBe(0);
  log.append(bytesOf('a\n'));
  expect(log.lines).toBe(1);
  log.append(bytesOf('b'));
  expect(log.lines).toBe(2);
  expect(drawnText(log)).toEqual(['a', 'b']);
  expect([log.startOf(0), log.startOf(1)]).toEqual([0, 2]);
});

test('a line in the middle has the colour that was set long before', () => {
  const log = makeLogText();
  log.append(bytesOf(`\u001b[35m${'line\n'.repeat(3000)}`));
  expect(log.draw(2999, 3000)).toEqual([[{ text: 'line', style: { fg: 5 } }]]);
});

test('lines longer than what bytes are kept in are whole', () => {
  const log = makeLogText();
  const long = 'x'.repeat(5 * 2 ** 20);
  log.append(bytesOf(`a\n${long}\nb`));
  expect(log.textOf(1)).toBe(long);
  expect(log.textOf(2)).toBe('b');
});

test('a text is found whatever its case, by line', () => {
  const log = makeLogText();
  log.append(bytesOf('one\nError: two\nthree\nan error\n'));
  expect(log.find('ERROR', 0, log.lines)).toEqual([1, 3]);
  expect(log.find('error', 2, log.lines)).toEqual([3]);
  expect(log.find('none', 0, log.lines)).toEqual([]);
});
