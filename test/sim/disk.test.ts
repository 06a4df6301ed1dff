import { storeConformance } from '../../src/master/store/conformance.ts';
import { seededRandom } from '../../src/base/random.ts';
import { makeDisk, makeSimStore } from './disk.ts';
import { drawFrom } from './draw.ts';
import { makeKernel } from './kernel.ts';
import { makeMachine } from './machine.ts';

const OPTIONS = { readUs: 50, syncMinUs: 300, syncMeanUs: 500, stallRate: 0.1, stallMaxUs: 1e6 };

storeConformance('the simulated disk', async () => {
  const kernel = makeKernel((error) => {
    throw error;
  });
  const draw = drawFrom(seededRandom('disk'));
  const disk = makeDisk(kernel, draw, OPTIONS, () => {});
  const life = kernel.makeLife('test');
  const machine = makeMachine(kernel, { name: 'test', rate: 1, wallOffsetMs: 0 });
  const store = makeSimStore({ disk, kernel, life, clock: machine.clockOf(life) });
  // The world goes on by itself while the suite waits for it.
  const turn = () => kernel.run(() => false);
  const world = setInterval(turn, 0);
  await store.open();
  return {
    store,
    async dispose() {
      await store.close();
      clearInterval(world);
    },
  };
});
