import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../base/random.ts';
import {
  KEY,
  bytes,
  descriptorsBelow,
  filesBelow,
  manifestOf,
  never,
  open,
  pieces,
  read,
  setUp,
  text,
} from './blob-fixture.ts';

describe('an open blob', () => {
  test('holds what was appended, at the offsets that append gave', async () => {
    const { blobs, directory } = await setUp();

    expect(await blobs.append(KEY, 0, bytes('one '))).toEqual({ size: 4, from: 0 });
    expect(await blobs.append(KEY, 4, bytes('two'))).toEqual({ size: 7, from: 4 });

    expect(await text(blobs, KEY)).toBe('one two');
    expect(await blobs.stat(KEY)).toEqual({ bytes: 7, sealed: false });
    expect(await readFile(join(directory, `${KEY}.part`), 'utf8')).toBe('one two');
  });

  test('takes a repeated call as done and adds only what it does not hold', async () => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('abcdef'));

    expect(await blobs.append(KEY, 2, bytes('cd'))).toEqual({ size: 6, from: 6 });
    expect(await blobs.append(KEY, 0, bytes('abcdef'))).toEqual({ size: 6, from: 6 });
    expect(await blobs.append(KEY, 4, bytes('efgh'))).toEqual({ size: 8, from: 6 });

    expect(await text(blobs, KEY)).toBe('abcdefgh');
  });

  test('refuses a gap, says where to go on, and keeps what it has', async () => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('abcd'));

    await expect(blobs.append(KEY, 9, bytes('x'))).rejects.toMatchObject({
      code: 'output.offset',
      what: 'expected 4, got 9',
    });
    expect(await blobs.append(KEY, 4, bytes('e'))).toEqual({ size: 5, from: 4 });
    expect(await text(blobs, KEY)).toBe('abcde');
  });

  test('is not made by a first append that begins after the start', async () => {
    const { blobs, directory } = await setUp();

    await expect(blobs.append(KEY, 3, bytes('x'))).rejects.toThrow(
      'output.offset: expected 0, got 3',
    );
    expect(await blobs.stat(KEY)).toBeUndefined();
    expect(await filesBelow(directory)).toEqual([]);
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 60])('has no offset %s', async (offset) => {
    const { blobs } = await setUp();
    await expect(blobs.append(KEY, offset, bytes('x'))).rejects.toMatchObject({
      code: 'output.offset',
    });
  });

  test('keeps the order of appends that were called at once', async () => {
    const { blobs } = await setUp();
    const pieces = Array.from({ length: 200 }, (_, i) => bytes(`${i},`));
    let offset = 0;
    const calls = pieces.map((piece) => {
      const call = blobs.append(KEY, offset, piece);
      offset += piece.length;
      return call;
    });
    await Promise.all(calls);

    expect(await text(blobs, KEY)).toBe(Buffer.concat(pieces).toString());
  });

  test('goes on at its size on disk in a store opened after a crash', async () => {
    const { blobs, directory } = await setUp();
    await blobs.append(KEY, 0, bytes('before '));

    // Nothing was closed: the first store is simply not used again.
    const again = await open(directory);
    expect(await again.stat(KEY)).toEqual({ bytes: 7, sealed: false });
    expect(await again.append(KEY, 0, bytes('before after'))).toEqual({ size: 12, from: 7 });
    await again.seal(KEY, manifestOf('before after'));
    expect(await text(again, KEY)).toBe('before after');
  });
});

test('a hundred blobs and more than the descriptors allow can be appended to at once', async () => {
  const { blobs } = await setUp();
  const random = seededRandom(7);
  const wholes = Array.from({ length: 300 }, (_, i) => Buffer.from(random.bytes(40 + i)));

  const appends = async (whole: Buffer, i: number) => {
    const key = `o/r${i}/1/stdout`;
    for (let at = 0; at < whole.length;) {
      const length = 1 + Math.floor(random.float() * 100);
      at = (await blobs.append(key, at, whole.subarray(at, at + length))).size;
    }
    await blobs.seal(key, manifestOf(whole));
  };
  await Promise.all(wholes.map(appends));

  for (const [i, whole] of wholes.entries()) {
    expect(await read(blobs, `o/r${i}/1/stdout`)).toEqual(whole);
  }
});

test.skipIf(!existsSync('/proc/self/fd'))('idle blobs hold at most 256 descriptors', async () => {
  const { blobs, directory } = await setUp();
  for (let i = 0; i < 400; i++) await blobs.append(`o/r${i}/1/stdout`, 0, bytes('x'));

  expect(await descriptorsBelow(directory)).toBe(256);
  await blobs.close();
  expect(await descriptorsBelow(directory)).toBe(0);
});

describe('a sealed blob', () => {
  test('is read-only under its own name and takes nothing more', async () => {
    const { blobs, directory } = await setUp();
    await blobs.append(KEY, 0, bytes('all'));
    await blobs.seal(KEY, manifestOf('all'));

    expect((await stat(join(directory, KEY))).mode & 0o777).toBe(0o444);
    expect(await filesBelow(directory)).toEqual([KEY]);
    expect(await blobs.stat(KEY)).toEqual({ bytes: 3, sealed: true });
    await expect(blobs.append(KEY, 0, bytes('all'))).rejects.toMatchObject({
      code: 'output.closed',
    });
    await expect(blobs.append(KEY, 3, bytes('x'))).rejects.toMatchObject({ code: 'output.closed' });
    expect(await text(blobs, KEY)).toBe('all');
  });

  test('may be sealed again with the same manifest, not with another', async () => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('all'));
    await blobs.seal(KEY, manifestOf('all'));
    await blobs.seal(KEY, manifestOf('all'));

    await expect(blobs.seal(KEY, manifestOf('ALL'))).rejects.toMatchObject({
      code: 'output.digest',
    });
    expect(await blobs.stat(KEY)).toEqual({ bytes: 3, sealed: true });
  });

  test.each([
    ['shorter', 'al'],
    ['longer', 'all of it'],
    ['other', 'ALL'],
  ])('is not made by the manifest of %s bytes, and the blob stays open', async (_, other) => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('all'));

    await expect(blobs.seal(KEY, manifestOf(other))).rejects.toMatchObject({
      code: 'output.digest',
    });
    expect(await blobs.append(KEY, 3, bytes(' of it'))).toEqual({ size: 9, from: 3 });
    await blobs.seal(KEY, manifestOf('all of it'));
  });

  test('is made of nothing by the manifest of nothing, and by no other', async () => {
    const { blobs, directory } = await setUp();

    await expect(blobs.seal(KEY, manifestOf('x'))).rejects.toThrow('holds 0 bytes');
    const lying = { bytes: 0, sha256: manifestOf('x').sha256 };
    await expect(blobs.seal(KEY, lying)).rejects.toMatchObject({ code: 'output.digest' });
    expect(await filesBelow(directory)).toEqual([]);

    await blobs.seal(KEY, manifestOf(''));
    await blobs.seal(KEY, manifestOf(''));
    expect(await blobs.stat(KEY)).toEqual({ bytes: 0, sealed: true });
    expect((await stat(join(directory, KEY))).mode & 0o777).toBe(0o444);
    expect(await text(blobs, KEY)).toBe('');
  });

  test('comes of an open blob without bytes too', async () => {
    const { blobs, directory } = await setUp();
    await blobs.append(KEY, 0, bytes(''));
    await blobs.seal(KEY, manifestOf(''));
    expect(await filesBelow(directory)).toEqual([KEY]);
  });
});

test('a full disk is store.full, and the blob goes on once there is room', async () => {
  const { directory } = await setUp();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory]);
  if (mounted.status !== 0) {
    console.warn('NOT TESTED: a full disk, because nothing can be mounted here');
    return;
  }
  try {
    const blobs = await open(directory);
    const whole = Buffer.from(seededRandom(5).bytes(100_000));
    const filler = pieces(Buffer.alloc(180_000));
    await blobs.put('b/filler', filler, { bytesMax: 180_000 });

    const full = { code: 'store.full' };
    await expect(blobs.append(KEY, 0, whole)).rejects.toMatchObject(full);
    const put = blobs.put('b/more', pieces(whole), { bytesMax: whole.length });
    await expect(put).rejects.toMatchObject(full);

    await blobs.remove('b/filler');
    await blobs.append(KEY, 0, whole);
    await blobs.seal(KEY, manifestOf(whole));
    expect(await read(blobs, KEY)).toEqual(whole);
    expect(await filesBelow(directory)).toEqual([KEY]);
    await blobs.close();
  } finally {
    spawnSync('umount', ['-l', directory]);
  }
});

test('closing finishes what was called, wakes who waits and refuses the rest', async () => {
  const { blobs, directory } = await setUp();
  const waiting = blobs.grown('o/r2/1/stdout', never);
  const appends = [0, 1, 2].map((at) => blobs.append(KEY, at, bytes('x')));
  await blobs.close();

  expect(await readFile(join(directory, `${KEY}.part`), 'utf8')).toBe('xxx');
  expect(await descriptorsBelow(directory)).toBe(0);
  await Promise.all([waiting, ...appends]);
  await expect(blobs.append(KEY, 3, bytes('x'))).rejects.toMatchObject({ code: 'store.closed' });
  await expect(blobs.get(KEY)).rejects.toMatchObject({ code: 'store.closed' });
  await blobs.close();
});

describe('remove', () => {
  test('takes away a blob or everything below a key, and nothing beside it', async () => {
    const { blobs, directory } = await setUp();
    for (const key of ['o/r1/1/stdout', 'o/r1/2/stdout', 'o/r10/1/stdout', 'o/r2/1/stdout']) {
      await blobs.append(key, 0, bytes('x'));
    }
    await blobs.seal('o/r1/2/stdout', manifestOf('x'));
    await blobs.remove('o/r1');
    await blobs.remove('o/r2/1/stdout');
    await blobs.remove('o/r3');
    await blobs.remove('o/r10/1/stdout/none');

    expect(await filesBelow(directory)).toEqual(['o/r10/1/stdout.part']);
    expect(await blobs.append('o/r1/1/stdout', 0, bytes('new'))).toEqual({ size: 3, from: 0 });
    await blobs.seal('o/r1/1/stdout', manifestOf('new'));
  });

  test('waits for what was called before it and holds up what is called after', async () => {
    const { blobs, directory } = await setUp();
    const ends = await Promise.allSettled([
      blobs.append('o/r1/1/stdout', 0, bytes('old')),
      blobs.append('o/r1/1/stderr', 0, bytes('old')),
      blobs.remove('o/r1'),
      blobs.append('o/r1/1/stdout', 0, bytes('newer')),
      blobs.remove('o'),
      blobs.append('o/r1/1/stderr', 0, bytes('newest')),
    ]);

    expect(ends.map(({ status }) => status)).not.toContain('rejected');
    expect(await filesBelow(directory)).toEqual(['o/r1/1/stderr.part']);
    expect(await text(blobs, 'o/r1/1/stderr')).toBe('newest');
  });

  test('wakes those who follow, so that they find it gone', async () => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('x'));
    const waiting = blobs.grown(KEY, never);
    await blobs.remove('o/r1');
    await waiting;
    await expect(blobs.get(KEY)).rejects.toMatchObject({ code: 'output.unknown' });
  });
});
