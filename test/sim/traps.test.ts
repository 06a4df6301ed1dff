import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { inMacrotask } from './kernel.ts';
import { drawScenario } from './swarm.ts';
import { withTraps } from './traps.ts';
import { simulate } from './world.ts';

const USES: [string, () => unknown][] = [
  ['Date.now', () => Date.now()],
  ['new Date()', () => new Date()],
  ['Date()', () => Date()],
  ['Math.random', () => Math.random()],
  ['performance.now', () => performance.now()],
  ['process.hrtime', () => process.hrtime.bigint()],
  ['setTimeout', () => setTimeout(() => {}, 1)],
  ['setInterval', () => setInterval(() => {}, 1)],
  ['setImmediate', () => setImmediate(() => {})],
  ['AbortSignal.timeout', () => AbortSignal.timeout(1)],
  ['crypto.randomUUID', () => randomUUID()],
  ['crypto.randomUUID', () => crypto.randomUUID()],
  ['crypto.randomBytes', () => randomBytes(4)],
  ['crypto.getRandomValues', () => crypto.getRandomValues(new Uint8Array(4))],
  ['fs.readFileSync', () => readFileSync('/dev/null')],
  ['fs/promises.readFile', () => readFile('/dev/null')],
  ['child_process.spawn', () => spawn('true')],
  ['net.connect', () => connect(1)],
  ['os.hostname', () => hostname()],
  ['fetch', () => fetch('http://localhost')],
  ['performance.now', () => systemClock.now()],
  ['setTimeout', () => systemClock.setTimeout(() => {}, 1)],
  ['crypto.randomFillSync', () => systemRandom.bytes(8_000)],
];

test.each(USES)('%s within a simulation throws and is named', (name, use) => {
  const { value, leaks } = withTraps(() => {
    try {
      use();
      return 'nothing thrown';
    } catch (error) {
      return (error as Error).message;
    }
  });
  expect(value).toContain(`a simulation used the real world: ${name} at `);
  expect(leaks).toHaveLength(1);
  expect(leaks[0]).toContain(name);
});

test('what is computed from its arguments alone is let through', () => {
  const { value, leaks } = withTraps(() => new Date(0).toISOString());
  expect(value).toBe('1970-01-01T00:00:00.000Z');
  expect(leaks).toEqual([]);
});

test('afterwards the real world is there again', () => {
  expect(() => withTraps(() => Date.now())).toThrow('Date.now');
  expect(Date.now()).toBeGreaterThan(Date.UTC(2020, 0, 1));
  expect(readFileSync('/dev/null', 'utf8')).toBe('');
  expect(hostname()).not.toBe('');
});

test.each([1, 3, 5])('seed %i uses nothing of the real world', async (seed) => {
  const { value, leaks } = await inMacrotask(() => withTraps(() => simulate(drawScenario(seed))));
  expect(leaks).toEqual([]);
  expect(value.events).toBeGreaterThan(100);
});
