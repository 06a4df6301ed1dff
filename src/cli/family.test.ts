import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startFamily } from './family.ts';
import type { Family, FamilyOptions } from './family.ts';
import { fakeHost } from './host-fixture.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'runyard-family-'))));
afterEach(() => rmSync(directory, { recursive: true }));

/** Stands for master and slave: says that it is there, notes what it is told, ends when told. */
const PROGRAM = `
const fs = require('node:fs');
const [verb, ...args] = process.argv.slice(2);
const name = verb === 'master' ? 'master' : args[args.indexOf('--name') + 1];
const note = (text) => fs.appendFileSync('notes', name + ' ' + text + '\\n');
if (args.includes('--broken')) { console.error('config.x: broken'); process.exit(78); }
let told = 0;
const stop = (signal) => {
  note(signal);
  if (!args.includes('--stubborn') || ++told > 1) process.exit(0);
};
process.on('SIGINT', () => stop('SIGINT'));
process.on('SIGTERM', () => stop('SIGTERM'));
process.on('disconnect', () => process.exit(0));
console.log(verb === 'master' ? 'runyard 1 master at http://0.0.0.0:4, state in x' : name);
if (args.includes('--ends')) setTimeout(() => process.exit(3), 50);
else setInterval(() => {}, 1000);
`;

test('slaves are told to leave before the master is', async () => {
  const { family, lines } = await start({ a: [], b: [] });
  expect(family.url).toBe('http://127.0.0.1:4');
  await family.leave('SIGTERM');
  const told = notes();
  expect(told.slice(0, 2).toSorted()).toEqual(['a SIGTERM', 'b SIGTERM']);
  expect(told[2]).toBe('master SIGTERM');
  expect(lines).toContain('a stdout a');
});

test('slaves that take their time are made to go at the second word', async () => {
  const { family } = await start({ a: ['--stubborn'] });
  const left = family.leave('SIGTERM');
  while (!existsSync(join(directory, 'notes'))) await turn();
  await family.force();
  await left;
  expect(notes().at(-1)).toMatch(/^master /);
});

test('the end of one that nobody told is heard, with its status', async () => {
  const { family } = await start({ a: ['--ends'], b: [] });
  expect(await family.ended).toMatchObject({ child: { label: 'a' }, status: 3 });
  await family.force();
});

test('a slave that cannot start ends all the others, and its status is given', async () => {
  const started = await begin({ a: [], b: ['--broken'] });
  expect(started.family).toMatchObject({ child: { label: 'b' }, status: 78 });
  expect(started.lines).toContain('b stderr config.x: broken');
  expect(notes().at(-1)).toMatch(/^master /);
});

test('a master that cannot start starts no slave', async () => {
  const started = await begin({ a: [] }, ['--broken']);
  expect(started.family).toMatchObject({ child: { label: 'master' }, status: 78 });
  expect(started.lines).toEqual(['master stderr config.x: broken']);
});

async function start(slaves: Record<string, string[]>) {
  const { family, lines } = await begin(slaves);
  return { family: family as Family, lines };
}

async function begin(slaves: Record<string, string[]>, master: string[] = []) {
  const script = join(directory, 'program.cjs');
  writeFileSync(script, PROGRAM);
  const { host } = fakeHost({}, { cwd: directory, program: [process.execPath, script] });
  const lines: string[] = [];
  const options: FamilyOptions = {
    master,
    state: directory,
    slaves: Object.entries(slaves).map(([name, args]) => ({ name, args })),
    needsToken: false,
    onLine: (label, line, stream) => void lines.push(`${label} ${stream} ${line}`),
  };
  return { family: await startFamily(host, options), lines };
}

function notes(): string[] {
  return readFileSync(join(directory, 'notes'), 'utf8').trim().split('\n');
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
