#!/usr/bin/env node
// Takes the pictures of the page that README shows, of a yard that is started for them.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { animate } from './apng.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pictures = join(root, 'docs', 'pictures');
const program = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PORT = Number(process.env.PORT ?? 7790);
const url = `http://127.0.0.1:${PORT}`;
const FRAME_MS = 900;

if (!existsSync(program)) {
  console.error(`no Chromium at ${program}: apt install chromium, or set CHROMIUM`);
  process.exit(1);
}
const setup = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs')], { stdio: 'inherit' });
if (setup.status !== 0) process.exit(setup.status ?? 1);

const state = mkdtempSync(join(tmpdir(), 'runyard-pictures-'));
const children = [];
const browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox'] });
try {
  await startYard();
  const runs = await play();
  mkdirSync(pictures, { recursive: true });
  await take('overview-light', '/', 'light', { ms: 9000, height: 620 });
  await take('log-light', `/runs/${runs.build}/log?times=1`, 'light', { height: 560 });
  await take('timeline-dark', `/runs/${runs.flaky}/timeline`, 'dark', { height: 470 });
  await takeSteps('machine', `/runs/${runs.flaky}/machine?at=1`);
} finally {
  await browser.close();
  for (const child of children) child.kill('SIGKILL');
  rmSync(state, { recursive: true, force: true, maxRetries: 5 });
}

function start(...args) {
  const cli = join(root, 'dist', 'cli', 'runyard.js');
  const child = spawn(process.execPath, [cli, ...args, '--log-level', 'error'], {
    stdio: 'ignore',
  });
  children.push(child);
}

async function startYard() {
  start('master', '--state', join(state, 'state'), '--port', String(PORT));
  await until(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok);
  for (const name of ['rack-1', 'rack-2', 'rack-3']) {
    start(
      'slave',
      '--master',
      url,
      '--name',
      name,
      '--slots',
      '4',
      '--work-dir',
      join(state, name),
    );
  }
  await until(
    async () => (await ask('/api/slaves')).filter(({ state: is }) => is === 'ONLINE').length === 3,
  );
}

/** A morning in a yard: some that end well, some that do not, one that tries again, some that wait. */
async function play() {
  const build =
    'for i in $(seq 1 900); do printf "\\033[32m[%4d/900]\\033[0m cc -O2 -c src/part-%d.c\\n" $i $i; done; printf "\\033[33mwarning:\\033[0m unused variable\\n"; sleep 600';
  const submitted = await ask('/api/runs', [
    {
      argv: ['sh', '-c', 'sleep 0.4; exit 1'],
      name: 'integration tests',
      retries: 2,
      retry: { backoffMs: 700 },
    },
    { argv: ['sh', '-c', build], name: 'build of main' },
    ...Array.from({ length: 6 }, (_, index) => ({
      argv: ['sleep', '900'],
      name: `soak ${index + 1}`,
    })),
    { argv: ['/opt/no/such/tool'], name: 'publish' },
    { argv: ['sleep', '60'], timeoutMs: 1000, name: 'smoke test' },
    { argv: ['true'], arch: 's390x', name: 'build of main for s390x' },
    { argv: ['true'], held: true, name: 'release' },
  ]);
  for (let second = 0; second < 8; second++) {
    const few = Array.from({ length: 2 + (second % 4) }, (_, index) => ({
      argv: ['true'],
      name: `unit tests ${index + 1}`,
    }));
    await ask('/api/runs', few);
    await sleep(1000);
  }
  const [flaky, built] = submitted.map(({ runId }) => runId);
  await until(async () => (await ask(`/api/runs/${flaky}`)).state === 'COMPLETE');
  return { flaky, build: built };
}

async function take(name, path, theme, { width = 1360, height = 900, ms = 1800 } = {}) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
  await page.goto(url + path);
  await page.waitForTimeout(ms);
  await page.screenshot({ path: join(pictures, `${name}.png`) });
  await page.close();
  console.log(`took docs/pictures/${name}.png`);
}

/** Steps through a run's history, a frame for each. */
async function takeSteps(name, path) {
  const page = await browser.newPage({
    viewport: { width: 1360, height: 600 },
    colorScheme: 'light',
  });
  await page.goto(url + path);
  await page.waitForSelector('[data-state][data-active]');
  const frames = [];
  for (;;) {
    await page.waitForTimeout(250);
    frames.push(await page.screenshot());
    if (await page.getByRole('button', { name: 'Step on' }).isDisabled()) break;
    await page.keyboard.press('ArrowRight');
  }
  writeFileSync(join(pictures, `${name}.png`), animate(frames, FRAME_MS));
  await page.close();
  console.log(`took docs/pictures/${name}.png, ${frames.length} frames`);
}

async function ask(path, body) {
  const answer = await fetch(
    url + path,
    body && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    },
  );
  return answer.json();
}

function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

async function until(holds) {
  while (!(await holds())) await sleep(100);
}
