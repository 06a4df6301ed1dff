import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compile } from '../../../test/kit/compiled.ts';
import { contentOf, openAt } from './level-fixture.ts';

/** Commits bursts of three keys that belong together, and says which are acknowledged. */
const WRITER = `
import { makeLevelStore } from './dist/master/store/level.js';
import { systemClock } from './dist/base/clock.js';
import { systemRandom } from './dist/base/random.js';
const [directory, from] = process.argv.slice(2);
const options = { directory, clock: systemClock, random: systemRandom, pid: process.pid };
const store = makeLevelStore(options);
await store.open();
const fence = await store.leases.acquire('all', 'a writer', 1000);
const value = Buffer.alloc(3000, 'x');
async function commit(i) {
  const ops = ['a', 'b', 'c'].map((part) => ({ put: i + '/' + part, value }));
  await store.commit({ fence, ops });
  process.stdout.write(i + '\\n');
}
for (let i = Number(from); ; i += 5) {
  await Promise.all([0, 1, 2, 3, 4].map((j) => commit(i + j)));
}
`;

let built: string;
beforeAll(() => {
  built = compile('src/master/store/level.ts');
  writeFileSync(join(built, 'writer.js'), WRITER);
});
afterAll(() => rmSync(built, { recursive: true }));

test('a master that is killed again and again loses nothing that it acknowledged', async () => {
  const state = mkdtempSync(join(tmpdir(), 'runyard-crash-test-'));
  const acknowledged: string[] = [];
  let epoch = 0;
  for (let round = 0; round < 5; round++) {
    await writeUntilKilled(state, 100_000 * (round + 1), 200 + 40 * round, acknowledged);
    const { store, fence } = await openAt(state);
    expect(fence.epoch).toBeGreaterThan(epoch + 1);
    epoch = fence.epoch;
    const content = await contentOf(store);
    const partsOf = (i: string) => ['a', 'b', 'c'].filter((part) => content.has(`${i}/${part}`));
    const torn = [...content.keys()].filter((key) => partsOf(key.split('/')[0]!).length !== 3);
    expect(torn).toEqual([]);
    expect(acknowledged.filter((i) => partsOf(i).length !== 3)).toEqual([]);
    await store.close();
  }
  expect(acknowledged.length).toBeGreaterThan(1000);
  rmSync(state, { recursive: true });
});

/** Kills the writer, in whatever it is doing, as soon as so many commits are acknowledged. */
async function writeUntilKilled(
  state: string,
  from: number,
  count: number,
  acknowledged: string[],
): Promise<void> {
  const writer = spawn(process.execPath, [join(built, 'writer.js'), state, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = new Promise((resolve) => writer.once('exit', resolve));
  let seen = 0;
  for await (const line of createInterface({ input: writer.stdout })) {
    acknowledged.push(line);
    if (++seen === count) writer.kill('SIGKILL');
  }
  await exit;
  expect(seen).toBeGreaterThanOrEqual(count);
}
