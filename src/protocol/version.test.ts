import { expect, test } from 'vitest';
import { PROTOCOL, PROTOCOL_MIN, protocolsOverlap } from './version.ts';

test.each([
  ['1.0', '1.0', '1.0', '1.0', true],
  ['1.0', '1.4', '1.3', '1.9', true],
  ['1.0', '1.2', '1.3', '1.9', false],
  ['1.9', '1.10', '1.10', '2.0', true],
  ['2.0', '2.1', '1.0', '1.99', false],
  ['0.9', '2.0', '1.0', '1.0', true],
])('%s to %s and %s to %s overlap: %s', (aMin, aMax, bMin, bMax, overlap) => {
  const [a, b] = [
    { min: aMin, max: aMax },
    { min: bMin, max: bMax },
  ];
  expect([protocolsOverlap(a, b), protocolsOverlap(b, a)]).toEqual([overlap, overlap]);
});

test('this build understands itself', () => {
  const own = { min: PROTOCOL_MIN, max: PROTOCOL };
  expect(protocolsOverlap(own, own)).toBe(true);
});

// Bug: NaN is neither less nor more, so a major version that is no number overlaps with all.
test('a version that is no number overlaps with none', () => {
  const own = { min: PROTOCOL_MIN, max: PROTOCOL };
  expect(protocolsOverlap({ min: 'x', max: 'y' }, own)).toBe(false);
});
