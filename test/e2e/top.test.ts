/** `runyard top` in a real terminal, as python's pty makes one. */
import { execFileSync, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startYard } from '../kit/processes.ts';
import { until } from '../kit/until.ts';

const CLI = resolve(import.meta.dirname, '../../dist/cli/runyard.js');
const PTY = resolve(import.meta.dirname, 'top.py');
const hasPython = isThere('python3');
if (!hasPython) console.warn('SKIPPED: top in a terminal, for there is no python3');

let yard: Awaited<ReturnType<typeof startYard>>;
let runId: string;

beforeAll(async () => {
  yard = await startYard();
  await yard.startMaster();
  yard.startSlave('s1', '--slots', '2');
  await until(async () => (await yard.client.listSlaves()).length > 0);
  const argv = ['sh', '-c', 'echo hello from the run; sleep 300'];
  ({ runId } = await yard.client.submit({ argv, name: 'long one' }));
  await until(async () => (await yard.client.getRun(runId)).substate === 'executing');
}, 60_000);
afterAll(() => yard.stop());

type Step = { wait: string } | { type: string } | { resize: [number, number] };

interface Screen {
  status: number;
  sent: string;
  restored: boolean;
}

/** What the terminal was sent while these things were done. */
function play(steps: Step[], args: string[] = [], env: Record<string, string> = {}) {
  const command = [PTY, '100', '30', JSON.stringify(steps), process.execPath, CLI, 'top', ...args];
  const child = spawn('python3', command, {
    env: { ...process.env, RUNYARD_SERVER: yard.url, TERM: 'xterm-256color', ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise<Screen>((done, fail) => {
    child.on('close', (code) => {
      if (code === 0) done(JSON.parse(stdout) as Screen);
      else fail(new Error(stderr));
    });
  });
}

test.runIf(hasPython)(
  'it shows the yard on a screen of its own, follows a resize, and leaves the terminal as it was',
  { timeout: 120_000 },
  async () => {
    const { status, sent, restored } = await play([
      { wait: 'long one' },
      { wait: 'hello from the run' },
      { resize: [70, 20] },
      { wait: 'long one' },
      { type: 'q' },
    ]);
    expect(status).toBe(0);
    expect(sent.startsWith('\u001b[?1049h')).toBe(true);
    expect(sent).toContain('\u001b[?2026h');
    expect(sent).toContain('\u001b[20;1H');
    expect(sent.trimEnd().endsWith('\u001b[?1049l')).toBe(true);
    expect(restored).toBe(true);
  },
);

test.runIf(hasPython)(
  'without colours it sends none, and Ctrl-C leaves, too',
  { timeout: 120_000 },
  async () => {
    const { status, sent } = await play(
      [{ wait: '> ' }, { wait: 'long one' }, { type: '\u0003' }],
      [],
      { NO_COLOR: '1' },
    );
    expect(status).toBe(0);
    // oxlint-disable-next-line no-control-regex -- it must not be there.
    expect(sent).not.toMatch(/\u001b\[[\d;]*m/);
    expect(sent).toContain('\u001b[?1049l');
  },
);

test('once, beside a terminal, it prints the same as text or JSON', async () => {
  const text = await yard.run('top', '--once');
  expect(text.code).toBe(0);
  expect(text.stdout).toContain('long one');
  expect(text.stdout).not.toContain('\u001b');
  const json = await yard.run('top', '--once', '-o', 'json');
  expect(JSON.parse(json.stdout)).toMatchObject({
    cluster: { runs: { 'RUNNING.executing': 1 } },
    slaves: [{ name: 's1' }],
    runs: [{ runId }],
  });
});

test.runIf(hasPython)(
  'an abort is carried out once it is confirmed, and not before',
  { timeout: 120_000 },
  async () => {
    await play([{ wait: 'long one' }, { type: 'a' }, { wait: '? y/n' }, { type: 'nq' }]);
    expect((await yard.client.getRun(runId)).state).toBe('RUNNING');
    await play([
      { wait: 'long one' },
      { type: 'a' },
      { wait: '? y/n' },
      { type: 'y' },
      { wait: 'is ABORTED' },
      { type: 'q' },
    ]);
    const { state, reason } = await yard.client.getRun(runId);
    expect([state, reason]).toEqual(['ABORTED', 'aborted by anonymous: from runyard top']);
  },
);

function isThere(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
