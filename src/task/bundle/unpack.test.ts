import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { namesBelow } from '../../../test/kit/files.ts';
import { isYardError } from '../../base/errors.ts';
import { linkStaysInside } from './entry.ts';
import { unpackBundle } from './unpack.ts';
import type { UnpackOptions } from './unpack.ts';

let work: string;
let outside: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'runyard-unpack-test-'));
  outside = join(work, 'outside');
  mkdirSync(outside);
  mkdirSync(join(work, 'bundles'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const EVIL: [name: string, code: string, entries: () => Raw[]][] = [
  ['a name with ..', 'archive.entry', () => [{ name: '../x', data: 'evil' }]],
  ['a name with .. within', 'archive.entry', () => [{ name: 'a/../../x', data: 'evil' }]],
  ['an absolute name', 'archive.entry', () => [{ name: `${outside}/x`, data: 'evil' }]],
  ['a directory above', 'archive.entry', () => [{ name: '../outside/d', type: '5' }]],
  ['a long name with ..', 'archive.entry', () => pax({ path: '../x' }, { name: 'x' })],
  ["GNU's long name with ..", 'archive.entry', () => gnu('L', '../x', { name: 'x' })],
  ['a front part with ..', 'archive.entry', () => [{ name: 'x', front: '..', data: 'evil' }]],
  ['an absolute link', 'archive.entry', () => [{ name: 'l', type: '2', target: outside }]],
  ['a link above', 'archive.entry', () => [{ name: 'l', type: '2', target: '../outside' }]],
  ['a long link above', 'archive.entry', () => pax({ linkpath: '../x' }, { name: 'l', type: '2' })],
  ["GNU's long link above", 'archive.entry', () => gnu('K', '../x', { name: 'l', type: '2' })],
  [
    'a link above by way of another',
    'archive.entry',
    () => [
      { name: 'a/b/up', type: '2', target: '../..' },
      { name: 'l', type: '2', target: 'a/b/up/../outside' },
    ],
  ],
  ['an empty link', 'archive.entry', () => [{ name: 'l', type: '2' }]],
  [
    'a file through a link',
    'archive.entry',
    () => [
      { name: 'd', type: '5' },
      { name: 'l', type: '2', target: 'd' },
      { name: 'l/x', data: 'evil' },
    ],
  ],
  [
    'a directory in the place of a link',
    'archive.entry',
    () => [
      { name: 'd', type: '5' },
      { name: 'l', type: '2', target: 'd' },
      { name: 'l', type: '5' },
    ],
  ],
  ['a file below a file', 'archive.entry', () => [{ name: 'a', data: '' }, { name: 'a/b' }]],
  ['a file written twice', 'archive.entry', () => [{ name: 'a', data: 'x' }, { name: './a' }]],
  [
    'a file in the place of a link',
    'archive.entry',
    () => [
      { name: 'a', type: '2', target: 'b' },
      { name: 'a', data: 'evil' },
    ],
  ],
  ['a hard link above', 'archive.entry', () => [{ name: 'h', type: '1', target: '../secret' }]],
  [
    'an absolute hard link',
    'archive.entry',
    () => [{ name: 'h', type: '1', target: '/etc/passwd' }],
  ],
  ['a hard link to nothing', 'archive.entry', () => [{ name: 'h', type: '1', target: 'later' }]],
  [
    'a hard link to a link',
    'archive.entry',
    () => [
      { name: 'l', type: '2', target: 'x' },
      { name: 'h', type: '1', target: 'l' },
    ],
  ],
  [
    'a file in the place of the root',
    'archive.entry',
    () => [{ name: './', type: '2', target: 'x' }],
  ],
  ['a delivered .git', 'archive.entry', () => [{ name: 'a/.GIT/config', data: '[core]' }]],
  ['a name that is too long', 'archive.entry', () => pax({ path: 'n'.repeat(256) }, { name: 'n' })],
  [
    'a path that is too long',
    'archive.entry',
    () => pax({ path: `${'n/'.repeat(1200)}n` }, { name: 'n' }),
  ],
  ['a name that is not UTF-8', 'archive.entry', () => [{ name: 'n\u00ff' }]],
  ['a NUL in a name', 'archive.entry', () => pax({ path: 'a\0b' }, { name: 'n' })],
  ['a character device', 'archive.type', () => [{ name: 'null', type: '3' }]],
  ['a block device', 'archive.type', () => [{ name: 'sda', type: '4' }]],
  ['a fifo', 'archive.type', () => [{ name: 'pipe', type: '6' }]],
  ['a sparse file', 'archive.type', () => [{ name: 'sparse', type: 'S' }]],
  ['a sparse file of the pax kind', 'archive.type', () => pax({ 'GNU.sparse.major': '1' }, {})],
  ['an unknown type', 'archive.type', () => [{ name: 'x', type: 'Z' }]],
  ['a file of 5 GiB', 'archive.too_large', () => [{ name: 'big', size: 5 * 2 ** 30 }]],
  [
    'a pax file of 5 GiB',
    'archive.too_large',
    () => pax({ size: `${5 * 2 ** 30}` }, { name: 'b' }),
  ],
  ['a negative size', 'archive.format', () => pax({ size: '-1' }, { name: 'b' })],
  ['a directory with bytes', 'archive.format', () => [{ name: 'd', type: '5', data: 'evil' }]],
  ['an extended header of 1 MiB', 'archive.format', () => pax({ path: 'x'.repeat(2 ** 20) }, {})],
  [
    'a damaged extended header',
    'archive.format',
    () => [{ name: 'p', type: 'x', data: '99 path=x\n' }],
  ],
  ['an endless record', 'archive.format', () => [{ name: 'p', type: 'x', data: '0 path=x\n' }]],
  ['a global name', 'archive.format', () => [{ name: 'g', type: 'g', data: '10 path=x\n' }]],
];

test.each(EVIL)('%s is refused with %s and leaves nothing', async (_, code, entries) => {
  const refusal = await unpackFailing(tarOf(entries()));

  expect(refusal.code).toBe(code);
  expect(onDisk()).toEqual(['bundles', 'outside']);
});

test('the error names the entry', async () => {
  const refusal = await unpackFailing(tarOf([{ name: '../x', data: 'evil' }]));

  expect(refusal.message).toBe('archive.entry: "../x" leaves the root');
});

test.each([
  ['gzip', gzipSync(Buffer.alloc(4096))],
  ['noise', Buffer.alloc(2048, 'noise')],
  ['nothing', Buffer.alloc(0)],
  ['a cut header', Buffer.alloc(100)],
  ['no end mark', tarOf([{ name: 'a', data: 'x' }]).subarray(0, 1024)],
  ['a cut file', tarOf([{ name: 'a', data: 'x'.repeat(2000) }]).subarray(0, 1024)],
  ['bytes after the end mark', Buffer.concat([tarOf([{ name: 'a' }]), Buffer.from('more')])],
])('%s is no archive', async (_, bytes) => {
  const refusal = await unpackFailing(bytes);

  expect(refusal.code).toBe('archive.format');
  expect(onDisk()).toEqual(['bundles', 'outside']);
});

test('no set-id bit, no sticky bit and no write for others is taken over', async () => {
  const dir = await unpack(
    tarOf([
      { name: 'bin', type: '5', mode: 0o7777 },
      { name: 'bin/su', mode: 0o6777, data: '#!' },
      { name: 'bin/copy', type: '1', target: 'bin/su', mode: 0o6777 },
      { name: 'locked', mode: 0, data: 'x' },
    ]),
  );
  const mode = (path: string) => statSync(join(dir, path)).mode & 0o7777;

  expect([mode('bin'), mode('bin/su'), mode('bin/copy')]).toEqual([0o755, 0o755, 0o755]);
  expect([mode('locked'), mode('.')]).toEqual([0o600, 0o700]);
});

test('a hard link inside becomes a file of its own', async () => {
  const dir = await unpack(
    tarOf([
      { name: 'a', data: 'text' },
      { name: 'b/c', type: '1', target: './a' },
    ]),
  );
  writeFileSync(join(dir, 'a'), 'changed');

  expect(readFileSync(join(dir, 'b/c'), 'utf8')).toBe('text');
});

test('links that stay inside are made', async () => {
  const dir = await unpack(
    tarOf([
      { name: 'a/b', data: 'text' },
      { name: 'a/up', type: '2', target: '../a/./b' },
      { name: 'dangling', type: '2', target: 'nowhere' },
    ]),
  );

  expect(readFileSync(join(dir, 'a/up'), 'utf8')).toBe('text');
  expect(lstatSync(join(dir, 'dangling')).isSymbolicLink()).toBe(true);
});

test('links and copies count towards the limits', async () => {
  const copies = tarOf([
    { name: 'a', data: 'x'.repeat(4000) },
    { name: 'b', type: '1', target: 'a' },
    { name: 'c', type: '1', target: 'a' },
  ]);
  const limits = { bytesMax: 10_000, entriesMax: 3 };

  expect(await unpackFailing(copies, { limits })).toMatchObject({ code: 'archive.too_large' });
  const deep = tarOf([{ name: 'a/b/c/d', data: '' }]);
  expect(await unpackFailing(deep, { limits })).toMatchObject({ code: 'archive.entries' });
  expect(onDisk()).toEqual(['bundles', 'outside']);
});

test('an archive that never ends is cut off at the limit', async () => {
  let served = 0;
  async function* endless() {
    yield tarOf([{ name: 'a', data: 'x' }]);
    for (;;) yield Buffer.alloc(2 ** 16, ((served += 2 ** 16), 0));
  }
  const limits = { bytesMax: 2 ** 20, entriesMax: 10 };
  const unpacking = unpackBundle(endless(), idOf(Buffer.alloc(0)), target(), { limits });

  await expect(unpacking).rejects.toMatchObject({ code: 'archive.too_large' });
  expect(served).toBeLessThanOrEqual(2 ** 20);
});

test('other bytes than the id promises never become visible', async () => {
  const bytes = tarOf([{ name: 'a', data: 'text' }]);
  const swapped = unpackBundle(pieces(bytes), idOf(Buffer.from('other')), target());
  await expect(swapped).rejects.toMatchObject({ code: 'archive.sha256' });

  expect(onDisk()).toEqual(['bundles', 'outside']);
});

test('a copy damaged in a header or cut short is called damaged, not malformed', async () => {
  const bytes = tarOf([{ name: 'a', data: 'x'.repeat(3000) }]);
  const flipped = Buffer.from(bytes);
  flipped[10]! ^= 1;

  for (const damaged of [flipped, bytes.subarray(0, 2000)]) {
    const unpacking = unpackBundle(pieces(damaged), idOf(bytes), target());
    await expect(unpacking).rejects.toMatchObject({ code: 'archive.sha256' });
  }
});

test('an abort stops between pieces, closes the source and leaves nothing', async () => {
  const controller = new AbortController();
  let closed = false;
  async function* source() {
    try {
      yield tarOf([{ name: 'a', data: 'x' }]).subarray(0, 700);
      controller.abort(new Error('enough'));
      yield Buffer.alloc(512);
    } finally {
      closed = true;
    }
  }
  const { signal } = controller;
  const unpacking = unpackBundle(source(), idOf(Buffer.alloc(0)), target(), { signal });

  await expect(unpacking).rejects.toThrow('enough');
  expect(closed).toBe(true);
  expect(onDisk()).toEqual(['bundles', 'outside']);
});

test('what the system tar packs is unpacked, in pieces of any size', async () => {
  const tree = join(work, 'tree');
  const long = `${'d'.repeat(150)}/${'ü'.repeat(100)}`;
  mkdirSync(join(tree, 'd'.repeat(150)), { recursive: true });
  writeFileSync(join(tree, long), 'long');
  writeFileSync(join(tree, 'big'), 'y'.repeat(100_000));
  symlinkSync(long, join(tree, 'link'));
  for (const format of ['gnu', 'pax', 'ustar']) {
    const names = format === 'ustar' ? ['big'] : ['.'];
    const made = spawnSync('tar', [`--format=${format}`, '-cf', '-', '-C', tree, ...names], {
      maxBuffer: 2 ** 22,
    });
    const dir = await unpack(made.stdout, 777);

    expect(readFileSync(join(dir, 'big'), 'utf8')).toBe('y'.repeat(100_000));
    if (format !== 'ustar') expect(readFileSync(join(dir, 'link'), 'utf8')).toBe('long');
  }
});

test('a flipped byte anywhere is refused as such, and never crashes or escapes', async () => {
  const bytes = tarOf([
    { name: 'a/b', data: 'text' },
    ...pax({ path: 'c' }, { name: 'x', data: 'more' }),
    { name: 'l', type: '2', target: 'a/b' },
  ]);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(bytes.length - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, bits) => {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= bits;
        const refusal = await unpackFailing(damaged, {}, idOf(bytes));

        expect(refusal.code).toMatch(/^archive\./);
        expect(onDisk()).toEqual(['bundles', 'outside']);
      },
    ),
    { numRuns: 300 },
  );
});

test.each([
  ['a', 'b', true],
  ['a/b', '../c', true],
  ['a/b', '..', true],
  ['a/b', '../..', false],
  ['a', '..', false],
  ['a/b/c', '../../x/y', true],
  ['a', 'x/..', false],
  ['a', './x//y/', true],
  ['a', '.', true],
  ['a', '/x', false],
])('the link %s to %s stays inside: %s', (path, to, inside) => {
  expect(linkStaysInside(path, to)).toBe(inside);
});

interface Raw {
  name?: string;
  type?: string;
  mode?: number;
  target?: string;
  front?: string;
  data?: string;
  /** What the header claims; the length of the data by default. */
  size?: number;
}

/** Writes what it is told, by hand, so that the code under test has no part in it. */
function tarOf(entries: Raw[]): Buffer {
  return Buffer.concat([...entries.flatMap(rawEntry), Buffer.alloc(1024)]);
}

function rawEntry(entry: Raw): Buffer[] {
  const { name = '', type = '0', mode = 0o644, target = '', front = '' } = entry;
  const data = Buffer.from(entry.data ?? '');
  const header = Buffer.alloc(512);
  header.write(name, 0, 'latin1');
  header.write(mode.toString(8).padStart(7, '0'), 100);
  header.write((entry.size ?? data.length).toString(8).padStart(11, '0'), 124);
  header.write(type, 156);
  header.write(target, 157);
  header.write('ustar\x0000', 257);
  header.write(front, 345);
  header.write(' '.repeat(8), 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
}

function pax(records: Record<string, string>, entry: Raw): Raw[] {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length;
    while (`${length}${rest}`.length !== length) length++;
    return `${length}${rest}`;
  });
  return [{ name: 'pax', type: 'x', data: lines.join('') }, entry];
}

function gnu(type: string, text: string, entry: Raw): Raw[] {
  return [{ name: '././@LongLink', type, data: `${text}\0` }, entry];
}

let made = 0;
function target(): string {
  return join(work, 'bundles', `tree-${made++}`);
}

async function unpack(bytes: Buffer, pieceBytes?: number): Promise<string> {
  const dir = target();
  await unpackBundle(pieces(bytes, pieceBytes), idOf(bytes), dir);
  return dir;
}

async function unpackFailing(bytes: Buffer, options: UnpackOptions = {}, id = idOf(bytes)) {
  try {
    await unpackBundle(pieces(bytes), id, target(), options);
  } catch (error) {
    if (isYardError(error)) return error;
    throw error;
  }
  throw new Error('it was unpacked');
}

async function* pieces(bytes: Buffer, size = bytes.length) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function idOf(bytes: Buffer): string {
  return `fs-${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Everything below the test's directory: nothing may be left, in the tree's place or elsewhere. */
function onDisk(): string[] {
  expect(existsSync(join(work, 'x'))).toBe(false);
  return namesBelow(work);
}
