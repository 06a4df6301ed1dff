import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Executor } from '../ports.ts';
import {
  begin,
  exited,
  keyOf,
  machine,
  open,
  output,
  survivors,
  written,
} from './lanes-fixture.ts';

describe.each(['subreaper', 'no subreaper', 'group'])('a tree of processes, with %s', (kind) => {
  let trees: Executor;

  beforeEach(async ({ skip }) => {
    skip(kind === 'group' && !machine.cgroup, 'no writable cgroup v2 here');
    if (kind === 'subreaper') expect(machine.subreaper).not.toEqual([]);
    const subreaper = kind === 'subreaper' ? machine.subreaper : [];
    const cgroup = kind === 'group' ? machine.cgroup : undefined;
    trees = await open({ machine: { ...machine, subreaper, cgroup } });
    return () => trees.close();
  });

  test('that does not resist is gone after SIGTERM', async () => {
    const task = begin('tree', ['sh', '-c', 'sleep 60 & echo up; wait'], {}, trees);
    await written('tree');
    trees.signal(keyOf('tree'), 'SIGTERM');
    expect(await task).toEqual({ kind: 'signalled', signal: 'SIGTERM' });
    expect(await trees.settle(keyOf('tree'), 1000)).toBeLessThanOrEqual(1);
  });

  test('hears SIGTERM in its own sessions too', async () => {
    const script = `trap 'kill $!; echo told; exit 3' TERM; echo up; sleep 60 & wait`;
    const task = begin('session', ['setsid', '-w', 'sh', '-c', script], {}, trees);
    await written('session');
    trees.signal(keyOf('session'), 'SIGTERM');
    await task;
    await trees.settle(keyOf('session'), 5000);
    expect(output('session')).toBe('up\ntold\n');
  });

  test('that forks twice, leaves the session and ignores SIGTERM has no survivor', async () => {
    const inner = `trap "" TERM; (setsid sh -c 'trap "" TERM; sleep 60 & echo up; wait' &) & wait`;
    const script = `trap "" TERM; setsid sh -c '${inner.replaceAll("'", `'\\''`)}' & sleep 60`;
    const task = begin('stubborn', ['sh', '-c', script], {}, trees);
    await written('stubborn');
    trees.signal(keyOf('stubborn'), 'SIGTERM');
    trees.signal(keyOf('stubborn'), 'SIGKILL');
    expect(await task).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await trees.settle(keyOf('stubborn'), 60_000);
    expect(survivors()).toEqual([]);
  });

  test('of fifty dies whole', async () => {
    const script = 'for i in $(seq 50); do sleep 60 & done; echo up; wait';
    const task = begin('fifty', ['sh', '-c', script], {}, trees);
    await written('fifty');
    // One that is between its fork and its exec cannot be read for a moment.
    await vi.waitFor(() => expect(survivors().length).toBeGreaterThan(50), 10_000);
    trees.signal(keyOf('fifty'), 'SIGKILL');
    expect(await task).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await trees.settle(keyOf('fifty'), 60_000);
    expect(survivors()).toEqual([]);
  });

  test('ends with its first process; settle kills what it left behind', async () => {
    expect(await begin('bg', ['sh', '-c', 'sleep 60 & setsid sleep 60 &'], {}, trees)).toEqual(
      exited(0),
    );
    expect(await trees.settle(keyOf('bg'), 50)).toBe(2);
    expect(survivors()).toEqual([]);
    expect(await trees.settle(keyOf('bg'), 60_000)).toBe(0);
  });

  test('may end by itself while it is drained', async () => {
    const script = '(sleep 0.2; echo late) &';
    expect(await begin('drain', ['sh', '-c', script], {}, trees)).toEqual(exited(0));
    expect(await trees.settle(keyOf('drain'), 60_000)).toBeGreaterThan(0);
    expect(output('drain')).toBe('late\n');
  });

  test('dies even if SIGKILL comes before it was born', async () => {
    const task = begin('early', ['sleep', '60'], {}, trees);
    trees.signal(keyOf('early'), 'SIGKILL');
    expect(await task).toMatchObject({ kind: 'signalled' });
    await trees.settle(keyOf('early'), 0);
  });

  test('hears SIGTERM even if it comes while it is being born', async () => {
    for (let n = 0; n < 20; n++) {
      const task = begin(`termed${n}`, ['sleep', '60'], {}, trees);
      trees.signal(keyOf(`termed${n}`), 'SIGTERM');
      expect(await task).toEqual({ kind: 'signalled', signal: 'SIGTERM' });
      await trees.settle(keyOf(`termed${n}`), 0);
    }
  });
});
