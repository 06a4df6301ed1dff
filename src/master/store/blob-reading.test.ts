import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../base/random.ts';
import { KEY, bytes, manifestOf, never, read, setUp, text } from './blob-fixture.ts';
import type { BlobStore } from './port.ts';

describe('get', () => {
  test.each([false, true])('gives the asked range (sealed: %s)', async (isSealed) => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('0123456789'));
    if (isSealed) await blobs.seal(KEY, manifestOf('0123456789'));

    expect(await text(blobs, KEY, { from: 4 })).toBe('456789');
    expect(await text(blobs, KEY, { from: 4, to: 6 })).toBe('45');
    expect(await text(blobs, KEY, { from: 8, to: 99 })).toBe('89');
    expect(await text(blobs, KEY, { from: 3, to: 3 })).toBe('');
    expect(await text(blobs, KEY, { from: 10 })).toBe('');
    for (const range of [{ from: 11 }, { from: -1 }, { from: 0.5 }, { from: 4, to: 3 }]) {
      await expect(blobs.get(KEY, range)).rejects.toMatchObject({ code: 'output.range' });
    }
  });

  test('knows neither an unwritten key nor a directory of keys', async () => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('x'));
    for (const key of ['o/r2/1/stdout', 'o/r1/1', `${KEY}/x`]) {
      await expect(blobs.get(key)).rejects.toMatchObject({ code: 'output.unknown' });
      expect(await blobs.stat(key)).toBeUndefined();
    }
  });

  test('finishes what it began although the blob is sealed and removed meanwhile', async () => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('abc'));
    const stream = await blobs.get(KEY);
    await blobs.append(KEY, 3, bytes('def'));
    await blobs.seal(KEY, manifestOf('abcdef'));
    await blobs.remove(KEY);

    expect((await buffer(stream)).toString()).toBe('abc');
  });
});

describe('grown', () => {
  test('wakes after an append that adds bytes and after the seal', async () => {
    const { blobs } = await setUp();
    const first = blobs.grown(KEY, never);
    await blobs.append(KEY, 0, bytes('abc'));
    await first;

    const second = blobs.grown(KEY, never);
    await blobs.seal(KEY, manifestOf('abc'));
    await second;
  });

  test('sleeps through repeated bytes and through other keys', async () => {
    const { blobs } = await setUp();
    await blobs.append(KEY, 0, bytes('abc'));
    let isAwake = false;
    const waiting = blobs.grown(KEY, never).then(() => (isAwake = true));

    await blobs.append(KEY, 0, bytes('abc'));
    await blobs.append('o/r1/1/stderr', 0, bytes('abc'));
    expect(isAwake).toBe(false);
    await blobs.append(KEY, 2, bytes('cd'));
    await waiting;
  });

  test('ends on its signal, at once if that was given before', async () => {
    const { blobs } = await setUp();
    const stopping = new AbortController();
    const waiting = blobs.grown(KEY, stopping.signal);
    stopping.abort();
    await waiting;
    await blobs.grown(KEY, stopping.signal);
  });

  test('lets a follower read every byte of a blob that grows under it', async () => {
    const { blobs } = await setUp();
    const whole = Buffer.from(seededRandom(3).bytes(5000));
    const following = follow(blobs, KEY);
    for (let at = 0; at < whole.length; at += 50) {
      await blobs.append(KEY, at, whole.subarray(at, at + 50));
    }
    await blobs.seal(KEY, manifestOf(whole));

    expect(await following).toEqual(whole);
  });
});

/** As ?follow=1 does it: waits before it reads, so that nothing is missed in between. */
async function follow(blobs: BlobStore, key: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let size = 0; ;) {
    const growth = blobs.grown(key, never);
    const found = await blobs.stat(key);
    if (found !== undefined && found.bytes > size) {
      parts.push(await read(blobs, key, { from: size, to: found.bytes }));
      size = found.bytes;
    } else if (found?.sealed) {
      return Buffer.concat(parts);
    } else {
      await growth;
    }
  }
}
