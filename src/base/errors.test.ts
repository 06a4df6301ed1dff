import { expect, test } from 'vitest';
import { YardError, assert, exitCodeOf, httpStatusOf, isYardError, messageOf } from './errors.ts';
import { nearest, quote } from './errors.ts';

test('an error reads as code, what and what to do, and travels without its stack', () => {
  const error = new YardError('run.unknown', 'no run "x"', { hint: 'see the list' });
  expect(error.message).toBe('run.unknown: no run "x", see the list');
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    code: 'run.unknown',
    message: 'no run "x"',
    hint: 'see the list',
  });
  expect(new YardError('a.b', 'c').toJSON()).toEqual({ code: 'a.b', message: 'c' });
  expect([isYardError(error), isYardError(new Error('x'))]).toEqual([true, false]);
});

test.each([
  ['run.unknown', 404, 65],
  ['run.stale_attempt', 409, 65],
  ['hello.duplicate', 409, 75],
  ['store.full', 503, 73],
  ['nobody.knows', 500, 70],
  ['nodot', 500, 70],
])('%s is answered with %s and ends with %s', (code, http, exit) => {
  expect([httpStatusOf(code), exitCodeOf(code)]).toEqual([http, exit]);
});

test('what a stranger wrote is cut, and cannot move the cursor or turn the text around', () => {
  expect(quote('a"b\n\u001b[2J')).toBe('"a\\"b\\n\\u001b[2J"');
  expect(quote('\u202e\u200b\u0085')).toBe('"\\u202e\\u200b\\u0085"');
  expect(quote('x'.repeat(500))).toHaveLength(120);
  const hostile = { toString: () => 'called' };
  expect(quote(hostile)).toBe('"object"');
});

test('the nearest word is one that is close, or none', () => {
  const words = ['x86_64', 'aarch64', 'ppc64le'];
  expect([nearest('x86_46', words), nearest('AARCH64', words), nearest('vax', words)]).toEqual([
    'x86_64',
    'aarch64',
    undefined,
  ]);
});

test('a breach of what must hold is a bug and no error for a caller', () => {
  expect(() => assert(false, 'two is two')).toThrow('assertion failed: two is two');
  expect(messageOf('thrown text')).toBe('thrown text');
});
