import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { until } from '../../../test/kit/until.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { makeOutputs } from './outputs.ts';
import { MiB, expectManifests, files, follow, makeSink, pass, write } from './outputs-fixture.ts';

describe('the limit', () => {
  test('cuts a stream to so many bytes and says how many were dropped', async () => {
    const { sink, tail } = follow({ limitBytes: 100 });
    write('stdout', 'a'.repeat(80));
    await pass(100);
    write('stdout', 'b'.repeat(50));
    await pass(100);
    expect(statSync(files.stdout).size).toBe(100);
    write('stdout', 'c'.repeat(7));
    const finished = await tail.finish({ inlineMax: 4096 });
    await tail.flushed();
    const kept = `${'a'.repeat(80)}${'b'.repeat(20)}`;
    const whole = `${kept}\n[runyard: output truncated: 37 bytes dropped]\n`;
    expect(sink.texts()).toEqual({ stdout: whole, stderr: '', combined: whole });
    expectManifests(finished, sink.texts(), { stdout: 37, combined: 37 });
    expect(readFileSync(files.stdout, 'utf8')).toBe(whole);
  });

  test('holds for combined too, where it counts what both streams lost', async () => {
    const { sink, tail } = follow({ limitBytes: 10 });
    write('stdout', '12345678');
    await pass(1100);
    write('stderr', 'abcdefghijkl');
    const finished = await tail.finish();
    await tail.flushed();
    expect(sink.texts().combined).toBe(
      '12345678ab\n[runyard: output truncated: 10 bytes dropped]\n',
    );
    expectManifests(finished, sink.texts(), { stderr: 2, combined: 10 });
  });

  test('is remembered over a restart, also one after the end', async () => {
    const sink = makeSink();
    const first = follow({ sink, limitBytes: 10 }).tail;
    write('stdout', '0123456789ABC');
    await pass(100);
    first.stop();
    const second = follow({ sink, limitBytes: 10, sinkSizes: sink.sizes() }).tail;
    write('stdout', 'DEF');
    sink.fails = 'before';
    const finished = await second.finish();
    second.stop();
    sink.fails = 'no';
    const third = follow({ sink, limitBytes: 10, sinkSizes: sink.sizes() }).tail;
    const again = await third.finish();
    await third.flushed();
    expect(again).toEqual(finished);
    expect(sink.texts().stdout).toBe('0123456789\n[runyard: output truncated: 6 bytes dropped]\n');
    expectManifests(again, sink.texts(), { stdout: 6, combined: 6 });
  });

  test('keeps the file and the memory small while a task writes without end', async () => {
    const sink = makeSink({ keeps: false });
    const outputs = makeOutputs({ sink, clock: systemClock, log: silentLog });
    const tail = outputs.follow('k.1', files, 4 * MiB);
    const before = process.memoryUsage().rss;
    const descriptor = openSync(files.stdout, 'a');
    const yes = spawn('yes', { stdio: ['ignore', descriptor, 'ignore'] });
    closeSync(descriptor);
    await until(() => writtenBy(yes.pid!) >= 512 * MiB, 20);
    expect(statSync(files.stdout).blocks * 512).toBeLessThan(256 * MiB);
    yes.kill('SIGKILL');
    await once(yes, 'exit');
    const finished = await tail.finish();
    await tail.flushed();
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MiB);
    const { stdout, combined } = finished.manifests;
    expect(stdout.droppedBytes).toBeGreaterThan(64 * MiB);
    expect(statSync(files.stdout).size).toBe(stdout.bytes);
    expect(stdout.bytes).toBeLessThan(4 * MiB + 100);
    expect(sink.sizes()).toEqual({ stdout: stdout.bytes, stderr: 0, combined: combined.bytes });
  });
});

test('a task that empties its own output goes on where the sink was', async () => {
  const { sink, tail } = follow();
  write('stderr', 'one\ntwo\n');
  await pass(100);
  writeFileSync(files.stderr, 'three\n');
  await pass(100);
  const finished = await tail.finish();
  await tail.flushed();
  expect(sink.texts().stderr).toBe('one\ntwo\nthree\n');
  expectManifests(finished, sink.texts());
});

function writtenBy(pid: number): number {
  return Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))![1]);
}
