import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

/** Which room may import which others. To read this table is to read the architecture. */
const MAY_IMPORT: Record<string, string[]> = {
  base: [],
  protocol: ['base'],
  machines: ['base', 'protocol'],
  task: ['base', 'protocol'],
  trigger: ['base', 'protocol'],
  results: ['base', 'protocol'],
  slave: ['base', 'protocol', 'machines', 'task'],
  master: ['base', 'protocol', 'machines', 'trigger', 'results'],
  api: ['base', 'protocol'],
  cli: ['base', 'protocol', 'task', 'api'],
  // At run time only what no schema comes with: see below.
  web: ['protocol'],
};

/** A `main` puts parts together: beyond its room's own, it may import these. */
const MAINS: Record<string, string[]> = {
  'src/master/main.ts': ['api'],
  'src/slave/main.ts': [],
};

/** What builds the page draws the machines; none of it ships. */
const BUILDS_PAGE = 'src/web/build/';

/** Only these may be imported from elsewhere of the rooms that hold a `main`. */
const MAIN_STARTERS = ['src/cli/'];

const root = resolve(import.meta.dirname, '..');
const sources = filesBelow(join(root, 'src')).filter((path) => /\.tsx?$/.test(path));

function filesBelow(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

function roomOf(path: string): string {
  return relative(join(root, 'src'), path).split('/')[0]!;
}

function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g);
  return [...found].map(([, target]) => resolve(join(path, '..'), target!));
}

test('rooms import only what the table allows', () => {
  const wrong: string[] = [];
  for (const path of sources) {
    const room = roomOf(path);
    const name = relative(root, path);
    const own = name.startsWith(BUILDS_PAGE) ? ['machines'] : (MAINS[name] ?? []);
    const allowed = [room, ...(MAY_IMPORT[room] ?? []), ...own];
    for (const target of importsOf(path)) {
      if (!target.startsWith(join(root, 'src/'))) continue;
      const targetName = relative(root, target);
      const isMain = targetName in MAINS;
      if (isMain && MAIN_STARTERS.some((starter) => name.startsWith(starter))) continue;
      if (isMain || !allowed.includes(roomOf(target))) wrong.push(`${name} -> ${targetName}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('every room of the table exists or is to come, and every folder is a room', () => {
  const rooms = readdirSync(join(root, 'src'));
  for (const room of rooms) expect(Object.keys(MAY_IMPORT)).toContain(room);
});

test('the page takes types alone from other rooms, and what reads an exported history', () => {
  const wrong = sources
    .filter((path) => roomOf(path) === 'web' && !relative(root, path).startsWith(BUILDS_PAGE))
    .flatMap((path) =>
      [
        ...readFileSync(path, 'utf8').matchAll(
          /^import (?!type\b).*from '(?:\.\.\/)+protocol\/(.*)'/gm,
        ),
      ]
        .map(([, target]) => target!)
        .filter((target) => target !== 'history-export.ts')
        .map((target) => `${relative(root, path)} -> ${target}`),
    );
  expect(wrong).toEqual([]);
});

test('every relative import names its file with .ts', () => {
  const wrong = sources
    .filter((path) => !path.endsWith('.test.ts'))
    .flatMap((path) =>
      importsOf(path)
        .filter((target) => !/\.(tsx?|json|css)$/.test(target))
        .map((target) => `${relative(root, path)} -> ${relative(root, target)}`),
    );
  expect(wrong).toEqual([]);
});

test('no directory is read with what lies below it: some Nodes follow links then', () => {
  const programs = sources.filter((path) => !/(?:\.test|-fixture)\.ts$/.test(path));
  const reads = /readdir(?:Sync)?\([^)]*recursive/;
  expect(programs.filter((path) => reads.test(readFileSync(path, 'utf8')))).toEqual([]);
});

test('the lockfile names no download address', () => {
  expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"');
});

test('dependencies stand above the versions with known faults (secops.md S39)', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string }>;
  };
  const floors: Record<string, string> = {
    ws: '8.21.0',
    'socket.io-parser': '4.2.7',
    tar: '7.5.8',
    msgpackr: '2.1.0',
    undici: '7.28.0',
  };
  for (const [path, { version }] of Object.entries(packages)) {
    const floor = floors[path.split('node_modules/').at(-1)!];
    if (floor === undefined || version === undefined) continue;
    expect(newerOrSame(version, floor), `${path} ${version} < ${floor}`).toBe(true);
  }
});

function newerOrSame(version: string, floor: string): boolean {
  const [a, b] = [version, floor].map((text) => text.split('.').map(Number)) as [
    number[],
    number[],
  ];
  for (let i = 0; i < 3; i++) if (a[i] !== b[i]) return a[i]! > b[i]!;
  return true;
}

test('what is built to serve holds none of the chances of the simulator', () => {
  const built = filesBelow(join(root, 'dist')).filter((path) => path.endsWith('.js'));
  expect(built.length).toBeGreaterThan(100);
  expect(built.filter((path) => readFileSync(path, 'utf8').includes('buggify'))).toEqual([]);
});
