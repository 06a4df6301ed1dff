import { expect, test } from 'vitest';
import { PLAIN, applySgr, readLine } from './ansi.ts';

const ESC = '\u001b';

test('styles add up until they are taken back', () => {
  const red = applySgr(PLAIN, '1;31');
  expect(red).toEqual({ bold: true, fg: 1 });
  expect(applySgr(red, '22')).toEqual({ fg: 1 });
  expect(applySgr(red, '39')).toEqual({ bold: true });
  expect(applySgr(red, '')).toEqual({});
  expect(applySgr(PLAIN, '92;103')).toEqual({ fg: 10, bg: 11 });
});

test('colours of the palette and of all are read, and what follows them', () => {
  expect(applySgr(PLAIN, '38;5;208;1')).toEqual({ fg: 208, bold: true });
  expect(applySgr(PLAIN, '48;2;1;2;255;4')).toEqual({ bg: '#0102ff', underline: true });
  expect(applySgr(PLAIN, '38;5;999')).toEqual({});
});

test('a line begins in the style that the one before it ended in', () => {
  const first = readLine(`a${ESC}[31mb`, PLAIN);
  expect(first.pieces).toEqual([
    { text: 'a', style: {} },
    { text: 'b', style: { fg: 1 } },
  ]);
  expect(readLine('c', first.style).pieces).toEqual([{ text: 'c', style: { fg: 1 } }]);
});

test('what steers a terminal otherwise is left out', () => {
  const text = `${ESC}]0;title\u0007a${ESC}[2Kb${ESC}[10;3Hc${ESC}(B\u0008d`;
  const { pieces } = readLine(text, PLAIN);
  expect(pieces.map((piece) => piece.text).join('')).toBe('abcd');
});

test('of a progress bar, what was shown last is shown', () => {
  const { pieces } = readLine(` 10%\r 50%\r${ESC}[32m100%\r`, PLAIN);
  expect(pieces).toEqual([{ text: '100%', style: { fg: 2 } }]);
});
