import { existsSync, readFileSync, rmSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { makeOutputs } from './outputs.ts';
import {
  MiB,
  clock,
  expectManifests,
  files,
  follow,
  makeSink,
  pass,
  texts,
  write,
} from './outputs-fixture.ts';

describe('a short attempt', () => {
  test('hands its bytes back, and nothing is sent', async () => {
    const { sink, tail } = follow();
    write('stdout', 'out\n');
    write('stderr', 'err');
    const finished = await tail.finish({ inlineMax: 4096 });
    await tail.flushed();
    expect(texts(finished.inline!)).toEqual({
      stdout: 'out\n',
      stderr: 'err',
      combined: 'out\nerr',
    });
    expectManifests(finished, { stdout: 'out\n', stderr: 'err', combined: 'out\nerr' });
    expect(readFileSync(files.combined, 'utf8')).toBe('out\nerr');
    clock.advance(10_000);
    expect(sink.calls).toBe(0);
  });

  test('without output needs no file at all', async () => {
    const { tail } = follow();
    const finished = await tail.finish({ inlineMax: 0 });
    expectManifests(finished, { stdout: '', stderr: '', combined: '' });
    expect(texts(finished.inline!)).toEqual({ stdout: '', stderr: '', combined: '' });
    expect(existsSync(files.combined)).toBe(false);
  });

  test('with more bytes than may be inline is sent, and flushed when the sink has it', async () => {
    const { sink, tail } = follow();
    write('stdout', 'x'.repeat(3000));
    const finished = await tail.finish({ inlineMax: 4096 });
    expect(finished.inline).toBeUndefined();
    await tail.flushed();
    expectManifests(finished, sink.texts());
    expect(sink.texts().combined).toBe('x'.repeat(3000));
  });
});

describe('growth', () => {
  test('is at the sink within a second', async () => {
    const { sink, tail } = follow();
    write('stdout', 'line\n');
    await pass(1000);
    expect(sink.texts()).toEqual({ stdout: 'line\n', stderr: '', combined: 'line\n' });
    tail.stop();
  });

  test('is sent in order, one request at a time for each stream', async () => {
    const { sink, tail } = follow();
    for (let n = 0; n < 50; n++) {
      write('stdout', `out ${n}\n`);
      write('stderr', `err ${n}\n`);
      await pass(100);
    }
    const finished = await tail.finish();
    await tail.flushed();
    expect(sink.inFlightMax).toBe(1);
    expectManifests(finished, sink.texts());
    const lines = Array.from({ length: 50 }, (_, n) => n);
    expect(sink.texts().stdout).toBe(lines.map((n) => `out ${n}\n`).join(''));
    expect(sink.texts().combined.split('\n')).toHaveLength(101);
  });

  test('moves the time of the last output, and silence does not', async () => {
    const { tail } = follow();
    expect(tail.lastOutputAt).toBe(0);
    await pass(500);
    expect(tail.lastOutputAt).toBe(0);
    write('stderr', 'x');
    await pass(100);
    expect(tail.lastOutputAt).toBe(600);
    await pass(1000);
    expect(tail.lastOutputAt).toBe(600);
    tail.stop();
  });

  test('of a megabyte goes in chunks of at most 256 KiB', async () => {
    const { sink, tail } = follow();
    write('stdout', 'y'.repeat(MiB - 5));
    const finished = await tail.finish();
    await tail.flushed();
    expect(sink.largest).toBe(256 * 1024);
    expectManifests(finished, sink.texts());
  });

  test('survives a sink that fails at any time: nothing is lost, doubled or reordered', async () => {
    const action = fc.record({
      stdout: fc.string({ maxLength: 20 }),
      stderr: fc.string({ maxLength: 20 }),
      fails: fc.constantFrom('no', 'before', 'after'),
      restarts: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
        const sink = makeSink();
        for (const file of Object.values(files)) rmSync(file, { force: true });
        rmSync(`${files.combined}.progress`, { force: true });
        let { tail } = follow({ sink });
        const whole = { stdout: '', stderr: '' };
        for (const { stdout, stderr, fails, restarts } of actions) {
          sink.fails = fails;
          whole.stdout += write('stdout', stdout);
          whole.stderr += write('stderr', stderr);
          await pass(100);
          if (!restarts) continue;
          tail.stop();
          await pass(0);
          ({ tail } = follow({ sink, sinkSizes: sink.sizes() }));
        }
        sink.fails = 'no';
        const finished = await tail.finish();
        const flushed = tail.flushed();
        await pass(20_000);
        await flushed;
        expect(sink.texts()).toMatchObject(whole);
        expectManifests(finished, sink.texts());
        const isEmpty = sink.texts().combined === '';
        expect(isEmpty || readFileSync(files.combined, 'utf8')).toBe(
          isEmpty || sink.texts().combined,
        );
        expect(sink.texts().combined.split('').toSorted()).toEqual(
          (whole.stdout + whole.stderr).split('').toSorted(),
        );
      }),
      { numRuns: 40 },
    );
  });

  test('is awaited no more after a stop', async () => {
    const { sink, tail } = follow();
    sink.fails = 'before';
    write('stdout', 'x');
    await tail.finish();
    const flushed = expect(tail.flushed()).rejects.toMatchObject({ code: 'output.stopped' });
    tail.stop();
    await flushed;
    const { calls } = sink;
    await pass(60_000);
    expect(sink.calls).toBe(calls);
  });
});

test('many attempts are followed with one timer', async () => {
  const setTimeout = vi.fn(clock.setTimeout);
  const outputs = makeOutputs({
    sink: makeSink(),
    clock: { ...clock, setTimeout },
    log: silentLog,
  });
  const tails = Array.from({ length: 100 }, (_, n) =>
    outputs.follow(`k.${n}`, { stdout: `${n}o`, stderr: `${n}e`, combined: `${n}c` }, MiB),
  );
  expect(setTimeout).toHaveBeenCalledTimes(1);
  clock.advance(1000);
  expect(setTimeout.mock.calls.length).toBeLessThan(15);
  for (const tail of tails) tail.stop();
  clock.advance(1000);
  const { length } = setTimeout.mock.calls;
  clock.advance(10_000);
  expect(setTimeout.mock.calls).toHaveLength(length);
});

test('a sink that lost what it had, as in a power cut, gets all of it again', async () => {
  const sink = makeSink();
  const { tail } = follow({ sink });
  const first = write('stdout', 'first line\n');
  await pass(200);
  expect(sink.texts().stdout).toBe(first);
  sink.lose('stdout', 4);
  const second = write('stdout', 'second line\n');
  await pass(200);
  const finished = await tail.finish();
  await pass(1000);
  await tail.flushed();
  expect(sink.texts().stdout).toBe(first + second);
  expectManifests(finished, {
    stdout: first + second,
    stderr: '',
    combined: first + second,
  });
});
