import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import * as npmTar from 'tar';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packBundle } from './pack.ts';
import type { PackOptions } from './pack.ts';
import { unpackBundle } from './unpack.ts';

let work: string;
beforeEach(() => void (work = mkdtempSync(join(tmpdir(), 'runyard-pack-test-'))));
afterEach(() => rmSync(work, { recursive: true, force: true }));

test('one tree has one id, whatever the order, the times and the permissions it was made with', async () => {
  await fc.assert(
    fc.asyncProperty(treeArbitrary, fc.nat(), async (tree, seed) => {
      const one = plant(fresh(), tree, { seed: 0, loose: false });
      const other = plant(fresh(), tree, { seed, loose: true });

      expect(await idOf(other)).toBe(await idOf(one));
    }),
    { numRuns: 40 },
  );
});

test('a tree that differs in a name, a byte, an execute bit or a link has another id', async () => {
  const base = { 'a/b': 'text', 'run.sh': 'x!#!/bin/sh', link: '->a/b' };
  const variants = [
    base,
    { ...base, 'a/c': '' },
    { ...base, 'a/b': 'texT' },
    { ...base, 'run.sh': '#!/bin/sh' },
    { ...base, link: '->a' },
    { ...base, empty: '/' },
  ];
  const ids = await Promise.all(variants.map((tree) => idOf(plant(fresh(), tree))));

  expect(new Set(ids).size).toBe(variants.length);
});

test('packing and unpacking gives back the same tree', async () => {
  await fc.assert(
    fc.asyncProperty(treeArbitrary, async (tree) => {
      const packed = await packBundle(plant(fresh(), tree));
      const back = join(fresh(), 'tree');
      const counted = await unpackBundle(packed.open(), packed.id, back);
      await packed.close();

      expect(listing(back)).toEqual(listing(plant(fresh(), tree)));
      expect(counted.entries).toBe(packed.entries);
    }),
    { numRuns: 40 },
  );
});

test('the id is the digest of the bytes and never moves', async () => {
  const packed = await packBundle(plant(fresh(), GOLDEN));
  const bytes = await buffer(packed.open());
  await packed.close();

  expect(packed.id).toBe(`fs-${createHash('sha256').update(bytes).digest('hex')}`);
  expect(packed.bytes).toBe(bytes.length);
  expect(packed.id).toBe('fs-e4a3c6544f8028239d30f4192f11fe9df475db68c412f7ddfefd6fbb1100a0f6');
});

test.each(['npm tar', 'the system tar'])('%s reads what was packed', async (reader) => {
  const tree = { ...GOLDEN, [`${'d'.repeat(200)}/${'f'.repeat(200)}`]: 'long', 'ü/☃': 'snow' };
  const packed = await packBundle(plant(fresh(), tree));
  const file = join(work, 'bundle.tar');
  writeFileSync(file, await buffer(packed.open()));
  await packed.close();
  const into = fresh();
  if (reader === 'npm tar') await npmTar.extract({ file, cwd: into });
  else expect(spawnSync('tar', ['-xf', file, '-C', into]).status).toBe(0);

  expect(listing(into)).toEqual(listing(plant(fresh(), tree)));
});

test('a single file is packed under its own name', async () => {
  const directory = plant(fresh(), { 'task.sh': 'x!echo' });

  expect(await idOf(join(directory, 'task.sh'))).toBe(await idOf(directory));
});

test('what git keeps is left out, in submodules too', async () => {
  const plain = { 'a/b': 'text' };
  const cloned = { ...plain, '.git/config': '[core]', 'a/.git': 'gitdir: elsewhere' };

  expect(await idOf(plant(fresh(), cloned))).toBe(await idOf(plant(fresh(), plain)));
});

test('a second name of a file is packed as a second file', async () => {
  const linked = plant(fresh(), { a: 'text' });
  linkSync(join(linked, 'a'), join(linked, 'b'));

  expect(await idOf(linked)).toBe(await idOf(plant(fresh(), { a: 'text', b: 'text' })));
});

test.each(['/etc/passwd', '..', '../x', 'a/../../x', 'a/..'])(
  'a link to %s is refused',
  async (target) => {
    const root = plant(fresh(), { a: '/', link: `->${target}` });

    await expect(packBundle(root)).rejects.toMatchObject({ code: 'bundle.link' });
  },
);

test('a link from below to its sibling above is packed', async () => {
  await expect(idOf(plant(fresh(), { 'a/b/c': '->../../d', d: 'text' }))).resolves.toMatch(/^fs-/);
});

test('a fifo and a socket are refused by name', async () => {
  const withFifo = plant(fresh(), { a: 'text' });
  expect(spawnSync('mkfifo', [join(withFifo, 'pipe')]).status).toBe(0);
  await expect(packBundle(withFifo)).rejects.toMatchObject({
    code: 'bundle.type',
    what: '"pipe" is neither file, directory nor link',
  });

  const withSocket = fresh();
  const server = createServer().listen(join(withSocket, 's'));
  await once(server, 'listening');
  await expect(packBundle(withSocket)).rejects.toMatchObject({ code: 'bundle.type' });
  server.close();
});

test('a name that is not UTF-8 is refused', async () => {
  const root = fresh();
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff])]), 'x');

  await expect(packBundle(root)).rejects.toMatchObject({ code: 'bundle.name' });
});

test('too many bytes or entries are refused', async () => {
  const root = plant(fresh(), { a: 'x'.repeat(4000), b: '', c: '' });
  const limited = (limits: PackOptions['limits']) => packBundle(root, limits ? { limits } : {});

  await expect(limited({ bytesMax: 3999, entriesMax: 9 })).rejects.toMatchObject({
    code: 'archive.too_large',
  });
  await expect(limited({ bytesMax: 5000, entriesMax: 9 })).rejects.toMatchObject({
    code: 'archive.too_large',
  });
  await expect(limited({ bytesMax: 9000, entriesMax: 2 })).rejects.toMatchObject({
    code: 'archive.entries',
  });
});

test('a path that is not there is a mistake of the caller, and nothing stays spooled', async () => {
  const spoolDir = fresh();
  const missing = packBundle(join(work, 'missing'), { spoolDir });

  await expect(missing).rejects.toMatchObject({ code: 'bundle.path' });
  expect(readdirSync(spoolDir)).toEqual([]);
});

test('closing a packed bundle removes what was spooled', async () => {
  const spoolDir = fresh();
  const packed = await packBundle(plant(fresh(), GOLDEN), { spoolDir });
  expect(readdirSync(spoolDir)).toHaveLength(1);
  await packed.close();

  expect(readdirSync(spoolDir)).toEqual([]);
});

/** Path to content: `/` a directory, `->` a link, `x!` an executable, else a file. */
type Tree = Record<string, string>;

const GOLDEN: Tree = {
  'bin/run.sh': 'x!#!/bin/sh\necho hello\n',
  'bin/latest': '->run.sh',
  data: '/',
  'task.yml': 'name: golden\n',
};

const nameArbitrary = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 6, unit: 'grapheme' }),
    fc.constantFrom('a', 'a-b', 'B'),
  )
  .filter((name) => !/[/\0\ufffd]/.test(name))
  .filter((name) => !['.', '..', '.git'].includes(name.toLowerCase()));

const contentArbitrary = fc.oneof(
  fc.string({ maxLength: 40 }).filter((text) => !/^(?:x!|->|\/$)/.test(text)),
  fc.string({ maxLength: 9 }).map((text) => `x!${text}`),
  fc.constantFrom('/', '->.', '->nowhere', 'y'.repeat(1500)),
);

const treeArbitrary: fc.Arbitrary<Tree> = fc
  .dictionary(
    fc.array(nameArbitrary, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
    contentArbitrary,
    { maxKeys: 8, noNullPrototype: true },
  )
  .map((tree) => {
    const paths = Object.keys(tree);
    const isParent = (path: string) => paths.some((other) => other.startsWith(`${path}/`));
    return Object.fromEntries(Object.entries(tree).filter(([path]) => !isParent(path)));
  });

function plant(root: string, tree: Tree, how = { seed: 0, loose: false }): string {
  const paths = Object.keys(tree);
  const turn = how.seed % Math.max(1, paths.length);
  for (const path of [...paths.slice(turn), ...paths.slice(0, turn)].reverse()) {
    const [content, at] = [tree[path]!, join(root, path)];
    mkdirSync(dirname(at), { recursive: true });
    if (content === '/') mkdirSync(at, { recursive: true });
    else if (content.startsWith('->')) symlinkSync(content.slice(2), at);
    else {
      const executable = content.startsWith('x!');
      writeFileSync(at, executable ? content.slice(2) : content);
      chmodSync(at, (executable ? 0o100 : 0) | (how.loose ? 0o666 : 0o600));
      if (how.loose) utimesSync(at, how.seed, how.seed);
    }
  }
  return root;
}

/** In steps of its own: `recursive` follows links in some Nodes, round and round. */
function listing(root: string, below = ''): string[] {
  return readdirSync(join(root, below), { withFileTypes: true })
    .flatMap((entry) => {
      const name = join(below, entry.name);
      const path = join(root, name);
      if (entry.isSymbolicLink()) return [`${name} link`];
      if (entry.isDirectory()) return [`${name}/`, ...listing(root, name)];
      const executable = (statSync(path).mode & 0o100) !== 0;
      return [`${name} ${executable ? 'x' : '-'} ${readFileSync(path, 'utf8')}`];
    })
    .sort();
}

async function idOf(path: string): Promise<string> {
  const packed = await packBundle(path, { spoolDir: work });
  await packed.close();
  return packed.id;
}

function fresh(): string {
  return mkdtempSync(join(work, 'tree-'));
}
