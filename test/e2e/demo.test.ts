import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parseTap } from '../../src/task/tap.ts';
import { freePort } from '../kit/processes.ts';

const CLI = resolve(import.meta.dirname, '../../dist/cli/runyard.js');

test('the main job: a real message becomes runs on slaves of two architectures, and TAP comes out', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'runyard-demo-'));
  const port = await freePort();
  const env = { ...process.env, NO_COLOR: '1' };
  const child = spawn(process.execPath, [CLI, 'demo', '--once', '--port', String(port)], {
    cwd,
    env,
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise((done) => child.on('close', done));
  rmSync(cwd, { recursive: true, force: true });

  expect(said).toContain(`http://127.0.0.1:${port}`);
  expect(said).toContain('emulated=true');
  expect(said).toContain('compose Fedora-24-20151208.n.7 is FINISHED');
  const blocks = said.split(/^ *TAP version 13$/m).slice(1);
  expect(blocks).toHaveLength(6);
  for (const block of blocks) {
    // It stands indented, up to the first line that does not.
    const lines = block.split('\n').slice(1);
    const end = lines.findIndex((line) => !line.startsWith('  '));
    const tap = ['TAP version 13', ...lines.slice(0, end).map((line) => line.slice(2))].join('\n');
    const { points, planned } = parseTap(`${tap.trimEnd()}\n`);
    expect(points.length).toBe(planned);
    expect(points.length).toBeGreaterThan(0);
    for (const { ok } of points) expect(ok).toBe(true);
  }
  expect(code).toBe(0);
}, 90_000);
