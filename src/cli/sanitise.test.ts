import { expect, test } from 'vitest';
import { makeSanitiser, oneLine, safeJson, sanitise } from './sanitise.ts';

const ESC = '\u001b';

/** What programs have been taken over with, and what a terminal may show of it. */
const CORPUS: [string, string, string][] = [
  ['a CSI that clears the screen', `a${ESC}[2J${ESC}[Hb`, 'ab'],
  ['an OSC that names the window', `a${ESC}]0;owned\u0007b`, 'ab'],
  ['an OSC that writes the clipboard', `a${ESC}]52;c;ZXZpbA==${ESC}\\b`, 'ab'],
  ['an OSC hyperlink', `a${ESC}]8;;http://evil${ESC}\\b`, 'ab'],
  ['a DCS that asks for a setting', `a${ESC}P$q"p${ESC}\\b`, 'ab'],
  ['a DCS with a raw ESC inside', `a${ESC}Pq${ESC}[2Jx${ESC}\\b`, 'axb'],
  ['an APC', `a${ESC}_Gf=100;AAAA${ESC}\\b`, 'ab'],
  ['a PM and an SOS', `a${ESC}^x${ESC}\\b${ESC}Xy${ESC}\\c`, 'abc'],
  ['a CSI of one C1 character', 'a\u009b2Jb', 'ab'],
  ['an OSC of C1 characters', 'a\u009d0;owned\u009cb', 'ab'],
  ['a return that overwrites a line', 'rm -rf /\rls      \n', 'rm -rf /\nls      \n'],
  ['backspaces that overwrite a line', 'evil\b\b\b\bgood', 'evilgood'],
  ['text that is turned around', 'a\u202egpj.exe\u2069b', 'a\\u202egpj.exe\\u2069b'],
  ['a reset, a bell, a charset, NUL and DEL', `a${ESC}c\u0007${ESC}(0\u0000\u007fb\u000e`, 'ab'],
];

test.each(CORPUS)('%s does nothing to a terminal', (_, hostile, safe) => {
  expect(sanitise(hostile, { colour: true })).toBe(safe);
});

test.each(CORPUS)('%s is no safer in pieces', (_, hostile, safe) => {
  for (let at = 0; at <= hostile.length; at++) {
    const { push, end } = makeSanitiser({ colour: true });
    expect(push(hostile.slice(0, at)) + push(hostile.slice(at)) + end()).toBe(safe);
  }
});

test('colours stay, and end with the text', () => {
  const text = `${ESC}[1;31mred${ESC}[0m ${ESC}[38:2::1:2:3mtrue`;
  expect(sanitise(text, { colour: true })).toBe(`${text}${ESC}[0m`);
  expect(sanitise(text, { colour: false })).toBe('red true');
});

test('an m of another command is no colour', () => {
  expect(sanitise(`a${ESC}[>4;2mb${ESC}[?25mc`, { colour: true })).toBe('abc');
});

test('a command that never ends hides no later line and not all of a long one', () => {
  expect(sanitise(`a${ESC}]0;never\nnext`)).toBe('a\nnext');
  expect(sanitise(`${ESC}]0;${'x'.repeat(5000)}seen`)).toMatch(/seen$/);
  expect(sanitise(`a${ESC}[${'1'.repeat(100)}b`).length).toBeGreaterThan(30);
});

test('plain text, tabs and every script stay as they are', () => {
  const text = 'Grüße\t日本語 👩‍👩‍👧\n<script>alert(1)</script>\n';
  expect(sanitise(text)).toBe(text);
});

test('lines that end in CR LF end in LF', () => {
  expect(sanitise('a\r\nb\r\r\nc\r')).toBe('a\nb\nc\n');
});

test('JSON stays the same value and holds nothing that a terminal obeys', () => {
  const value = { name: `\u001b[2J\u009b2J\u202e\u2028` };
  const text = safeJson(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toMatch(/^[ -~]*$/);
});

test('a cell is one line', () => {
  expect(oneLine(' a\r\n b\tc\u001b[31m ')).toBe('a b c');
});
