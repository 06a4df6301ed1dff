import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { until } from '../../../test/kit/until.ts';
import {
  adopt,
  begin,
  executor,
  exited,
  fileOf,
  keyOf,
  open,
  run,
  survivors,
  written,
} from './lanes-fixture.ts';

describe('a guarded attempt', () => {
  test('is killed with all that it left when its time is over, by nobody of this process', async () => {
    const before = await open();
    void begin('guarded', ['sh', '-c', 'echo up; sleep 60 & sleep 60'], {}, before);
    await written('guarded');
    before.guard(keyOf('guarded'), 300);
    await before.close();
    await until(() => survivors().length === 0);
    const { ends } = await adopt(['guarded']);
    expect((await ends.get('guarded')) ?? 'gone').not.toEqual(exited(0));
  });

  test('lives on when that is moved on, and its lane serves others after it', async () => {
    const end = begin('moved', ['sh', '-c', 'echo up; sleep 0.5; exit 4']);
    await written('moved');
    executor.guard(keyOf('moved'), 200);
    executor.guard(keyOf('moved'), 60_000);
    expect(await end).toEqual(exited(4));
    await executor.settle(keyOf('moved'), 0);
    expect(existsSync(fileOf('moved', 'lease'))).toBe(false);
    expect(await run('next', ['true'])).toEqual(exited(0));
  });
});
