import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import {
  PATH,
  adopt,
  begin,
  executor,
  exited,
  keyOf,
  machine,
  open,
  output,
  root,
  run,
  survivors,
  written,
} from './lanes-fixture.ts';

describe('a control group', () => {
  const spec = { isolation: 'cgroup' } as const;
  beforeEach(({ skip }) => skip(!machine.cgroup, 'no writable cgroup v2 here'));

  test('holds the task from its first step, and is gone when the attempt is settled', async () => {
    expect(executor.isolations).toContain('cgroup');
    expect(await run('own', ['cat', '/proc/self/cgroup'], spec)).toEqual(exited(0));
    expect(output('own')).toMatch(new RegExp(`^0::/.*runyard-${keyOf('own')}$`, 'm'));
    expect(groupsLeft()).toEqual([]);
    expect(await run('code', ['sh', '-c', 'exit 5'], spec)).toEqual(exited(5));
    expect(await run('none', ['no-such-program'], spec)).toMatchObject({ kind: 'unstartable' });
    expect(groupsLeft()).toEqual([]);
  });

  test('keeps hold of what hides: a new session, no key in its environment, a group inside', async () => {
    const hide = 'env -i setsid /bin/sh -c "echo up; exec /bin/sleep 60" &';
    const inside = `d=${machine.cgroup}/runyard-${keyOf('hides')}/inner; mkdir $d; echo 0 >$d/cgroup.procs;`;
    const script = `${inside} trap "" TERM; ${hide} sleep 60 & wait`;
    const lanes = await open({ machine: { ...machine, subreaper: [] } });
    const task = begin('hides', ['sh', '-c', script], spec, lanes);
    await written('hides');
    lanes.signal(keyOf('hides'), 'SIGKILL');
    expect(await task).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await lanes.settle(keyOf('hides'), 0);
    await vi.waitFor(() => expect(groupsLeft()).toEqual([]), 10_000);
    await lanes.close();
  });

  test('ends a task that forks faster than one can look', async () => {
    // Some dozens at any time, each for a moment: one that doubles would take a slow machine down.
    const bomb = 'f() { sleep 0.01; f & }; for i in 1 2 3 4 5 6 7 8 9; do f & f & f & done';
    const task = begin('bomb', ['sh', '-c', `${bomb}; echo up; sleep 60`], spec);
    await written('bomb');
    executor.signal(keyOf('bomb'), 'SIGKILL');
    await task;
    await executor.settle(keyOf('bomb'), 0);
    expect(survivors()).toEqual([]);
  });

  test('is found again by the next process of the slave', async () => {
    const before = await open();
    const script = 'trap "" TERM; env -i setsid /bin/sleep 60 & echo up; wait';
    void begin('kept', ['sh', '-c', script], spec, before);
    await written('kept');
    await before.close();
    const { states, ends } = await adopt(['kept']);
    expect(states).toEqual({ kept: 'running' });
    executor.signal(keyOf('kept'), 'SIGKILL');
    expect(await ends.get('kept')).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await executor.settle(keyOf('kept'), 0);
    await vi.waitFor(() => expect(groupsLeft()).toEqual([]), 10_000);
  });
});

test('an isolation that this machine cannot give is refused, not passed over', async () => {
  const poor = await open({ machine: { ...machine, bwrap: undefined, cgroup: undefined } });
  expect(poor.isolations).toEqual(['none']);
  for (const isolation of ['bwrap', 'cgroup'] as const) {
    expect(await begin(isolation, ['true'], { isolation }, poor)).toEqual({
      kind: 'unstartable',
      why: `could not exec: ${isolation} does not work here`,
    });
  }
  const broken = await open({ machine: { ...machine, cgroup: join(root, 'file') } });
  writeFileSync(join(root, 'file'), '');
  expect(await begin('broken', ['true'], { isolation: 'cgroup' }, broken)).toMatchObject({
    kind: 'unstartable',
    why: expect.stringContaining('no control group: ENOTDIR'),
  });
  await Promise.all([poor.close(), broken.close()]);
});

describe('bwrap', () => {
  test('gives a task its own pid namespace, and the same ends', async ({ skip }) => {
    skip(!executor.isolations.includes('bwrap'), 'bwrap does not work here');
    const spec = { isolation: 'bwrap' } as const;
    expect(await run('pids', ['sh', '-c', 'ls -d /proc/[0-9]* | wc -l; exit 5'], spec)).toEqual(
      exited(5),
    );
    expect(Number(output('pids'))).toBeLessThan(8);
    expect(await run('env', ['env'], spec)).toEqual(exited(0));
    expect(output('env').trimEnd().split('\n').toSorted()).toEqual([
      `PATH=${PATH}`,
      `RUNYARD_ATTEMPT=${keyOf('env')}`,
    ]);
    expect(await run('137', ['sh', '-c', 'exit 137'], spec)).toEqual(exited(137));
    expect(await run('kill', ['sh', '-c', 'kill -KILL $$'], spec)).toEqual({
      kind: 'signalled',
      signal: 'SIGKILL',
    });
    expect(await run('none', ['no-such-program'], spec)).toMatchObject({ kind: 'unstartable' });
  });

  test('shows no value of the environment in a command line', async ({ skip }) => {
    skip(!executor.isolations.includes('bwrap'), 'bwrap does not work here');
    const script = 'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n"';
    const spec = { env: { PATH, SECRET: 'hunter2' }, isolation: 'bwrap' } as const;
    expect(await run('canary', ['sh', '-c', script], spec)).toEqual(exited(0));
    expect(output('canary')).toContain('--unshare-pid\n');
    expect(output('canary')).not.toContain('hunter2');
  });

  test('lets a task end in its own way on SIGTERM, and SIGKILL leaves nothing', async ({
    skip,
  }) => {
    skip(!executor.isolations.includes('bwrap'), 'bwrap does not work here');
    const spec = { isolation: 'bwrap' } as const;
    const script = `trap 'kill $!; echo told; exit 3' TERM; echo up; sleep 60 & wait`;
    const polite = begin('polite', ['sh', '-c', script], spec);
    await written('polite');
    executor.signal(keyOf('polite'), 'SIGTERM');
    expect(await polite).toEqual(exited(3));
    expect(output('polite')).toBe('up\ntold\n');

    const rude = begin('rude', ['sh', '-c', 'trap "" TERM; setsid sleep 60 & echo up; wait'], spec);
    await written('rude');
    executor.signal(keyOf('rude'), 'SIGKILL');
    expect(await rude).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await executor.settle(keyOf('rude'), 60_000);
    expect(survivors()).toEqual([]);
  });
});

/** Control groups of this test that nobody removed. */
function groupsLeft(): string[] {
  return readdirSync(machine.cgroup!).filter((name) => name.startsWith(`runyard-${keyOf('')}`));
}
