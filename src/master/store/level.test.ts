import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { storeConformance } from './conformance.ts';
import { makeLevelStore } from './level.ts';

storeConformance('the LevelDB store', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'runyard-store-test-'));
  const store = makeLevelStore({
    directory,
    clock: systemClock,
    random: systemRandom,
    pid: process.pid,
  });
  await store.open();
  return {
    store,
    async dispose() {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
});
