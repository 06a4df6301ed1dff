import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  adopt,
  begin,
  executor,
  exited,
  fileOf,
  keyOf,
  machine,
  open,
  specOf,
  survivors,
  written,
} from './lanes-fixture.ts';
import { prologue, taskText } from './task-text.ts';

describe('a restart of the slave', () => {
  test('finds what runs, what has ended meanwhile, and what nobody can tell of', async () => {
    const before = await open();
    await begin('done', ['sh', '-c', 'exit 4'], {}, before);
    void begin('runs', ['sh', '-c', 'echo up; sleep 0.3; exit 6'], {}, before);
    await written('runs');
    await before.close();

    const { states, ends } = await adopt(['done', 'runs', 'never']);
    expect(states).toEqual({ done: 'ended', runs: 'running', never: 'gone' });
    expect(await ends.get('done')).toEqual(exited(4));
    expect(await ends.get('runs')).toEqual(exited(6));
    expect(await executor.settle(keyOf('runs'), 0)).toBe(0);
    expect(await executor.settle(keyOf('done'), 0)).toBe(0);
  });

  test('can signal and settle what it took over', async () => {
    const before = await open();
    const resists = ['sh', '-c', 'trap "" TERM; setsid sleep 60 & echo up; wait'];
    void begin('one', ['sh', '-c', 'setsid sleep 60 & echo up; wait'], {}, before);
    void begin('two', resists, {}, before);
    await Promise.all([written('one'), written('two')]);
    await before.close();

    const { ends } = await adopt(['one', 'two']);
    executor.signal(keyOf('one'), 'SIGTERM');
    expect(await ends.get('one')).toEqual({ kind: 'signalled', signal: 'SIGTERM' });
    executor.signal(keyOf('two'), 'SIGKILL');
    expect(await ends.get('two')).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    await Promise.all([
      executor.settle(keyOf('one'), 60_000),
      executor.settle(keyOf('two'), 60_000),
    ]);
    expect(survivors()).toEqual([]);
  });

  test('after SIGKILL loses no task: the lane outlives the process that started it', async () => {
    const spec = specOf('orphan', ['sh', '-c', 'echo up; sleep 0.3; exit 9']);
    const at = { exitFile: fileOf('orphan', 'exit'), group: undefined };
    const text = taskText(spec, machine, at, 1);
    const slave = spawn(process.execPath, ['-e', SLAVE, ...machine.subreaper, machine.shell], {
      env: { PROLOGUE: prologue('LANE', true), TEXT: text },
      stdio: 'ignore',
    });
    await written('orphan');
    slave.kill('SIGKILL');
    const { states, ends } = await adopt(['orphan']);
    expect(states).toEqual({ orphan: 'running' });
    expect(await ends.get('orphan')).toEqual(exited(9));
    await executor.settle(keyOf('orphan'), 0);
  });

  test('kills what was left behind when the lane is gone as well', async () => {
    const before = await open();
    await begin('left', ['sh', '-c', 'setsid sleep 60 & exit 1'], {}, before);
    await before.close();
    const { states } = await adopt(['left']);
    expect(states).toEqual({ left: 'ended' });
    expect(await executor.settle(keyOf('left'), 0)).toBe(1);
  });
});

/** A slave that dies before it can hear of an end. */
const SLAVE = `
  const { readFileSync } = require('node:fs');
  const [file, ...args] = process.argv.slice(1);
  const stdio = ['pipe', 'pipe', 'ignore'];
  const lane = require('node:child_process').spawn(file, args, { detached: true, env: {}, stdio });
  const startTime = readFileSync('/proc/' + lane.pid + '/stat', 'utf8').split(') ')[1].split(' ')[19];
  const name = 'lane ' + lane.pid + ' ' + startTime;
  lane.stdin.write(process.env.PROLOGUE.replace('LANE', name) + process.env.TEXT);
  setInterval(() => {}, 1000);
`;
