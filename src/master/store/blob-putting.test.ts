import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../base/random.ts';
import {
  KEY,
  bytes,
  filesBelow,
  manifestOf,
  open,
  pieces,
  read,
  setUp,
  text,
} from './blob-fixture.ts';

describe('put', () => {
  const bundle = 'b/fs-1';

  test('gives the manifest of what came, in any pieces, and seals it', async () => {
    const { blobs, directory } = await setUp();
    const whole = Buffer.from(seededRandom(1).bytes(300_000));
    const body = pieces(whole.subarray(0, 7), whole.subarray(7, 7), whole.subarray(7));
    const limits = { sha256: manifestOf(whole).sha256, bytesMax: whole.length };

    expect(await blobs.put(bundle, body, limits)).toEqual(manifestOf(whole));
    expect(await read(blobs, bundle)).toEqual(whole);
    expect((await stat(join(directory, bundle))).mode & 0o777).toBe(0o444);
    expect(await filesBelow(directory)).toEqual([bundle]);
    await expect(blobs.append(bundle, whole.length, bytes('x'))).rejects.toMatchObject({
      code: 'output.closed',
    });
  });

  test.each<[string, () => AsyncIterable<Uint8Array>, object, object]>([
    ['is too large', () => pieces('abc', 'def'), { bytesMax: 5 }, { code: 'input.too_large' }],
    [
      'has another digest',
      () => pieces('abc'),
      { bytesMax: 5, sha256: manifestOf('abd').sha256 },
      { code: 'blob.digest' },
    ],
    ['breaks off', () => broken('abc'), { bytesMax: 5 }, { message: 'cut' }],
  ])('leaves nothing behind of a body that %s', async (_, body, limits, error) => {
    const { blobs, directory } = await setUp();
    const put = blobs.put(bundle, body(), limits as { bytesMax: number });

    await expect(put).rejects.toMatchObject(error);
    expect(await filesBelow(directory)).toEqual([]);
    expect(await blobs.stat(bundle)).toBeUndefined();
  });

  test('takes the same bytes again, refuses others, and leaves one file', async () => {
    const { blobs, directory } = await setUp();
    const put = (body: string) => blobs.put(bundle, pieces(body), { bytesMax: 10 });
    await put('abc');

    expect(await put('abc')).toEqual(manifestOf('abc'));
    await expect(put('abd')).rejects.toMatchObject({ code: 'blob.exists' });
    await expect(put('abcd')).rejects.toMatchObject({ code: 'blob.exists' });
    expect(await text(blobs, bundle)).toBe('abc');
    expect(await filesBelow(directory)).toEqual([bundle]);
  });

  test('lets one of several that race win, and tells all others', async () => {
    const { blobs, directory } = await setUp();
    const bodies = ['aaa', 'bbb', 'ccc', 'aaa', 'bbb', 'ccc'];
    const puts = bodies.map((body) => blobs.put(bundle, pieces(body), { bytesMax: 10 }));
    const ends = await Promise.allSettled(puts);

    const winner = await text(blobs, bundle);
    expect(ends.map(({ status }) => status === 'fulfilled')).toEqual(
      bodies.map((body) => body === winner),
    );
    expect(await filesBelow(directory)).toEqual([bundle]);
  });

  test('does not take the name of a blob that is open', async () => {
    const { blobs } = await setUp();
    await blobs.append(bundle, 0, bytes('a'));
    const put = blobs.put(bundle, pieces('abc'), { bytesMax: 10 });
    await expect(put).rejects.toMatchObject({ code: 'blob.exists' });
    expect(await text(blobs, bundle)).toBe('a');
  });

  test('that a crash cut short is swept away by the next store', async () => {
    const { blobs, directory } = await setUp();
    let resume = () => {};
    const body = held('abc', new Promise<void>((resolve) => (resume = resolve)));
    const failed = expect(blobs.put(bundle, body, { bytesMax: 10 })).rejects.toMatchObject({
      code: 'store.closed',
    });
    await expect.poll(() => filesBelow(directory)).toHaveLength(1);
    await blobs.close();

    await open(directory);
    expect(await filesBelow(directory)).toEqual([]);
    resume();
    await failed;
    expect(await filesBelow(directory)).toEqual([]);
  });

  test('of small bytes seals them at once and takes the same again', async () => {
    const { blobs, directory } = await setUp();
    expect(await blobs.putSmall(KEY, bytes('hello'))).toEqual(manifestOf('hello'));
    expect(await blobs.putSmall(KEY, bytes('hello'))).toEqual(manifestOf('hello'));
    expect(await blobs.putSmall('o/r1/1/stderr', bytes(''))).toEqual(manifestOf(''));
    await blobs.seal(KEY, manifestOf('hello'));

    await expect(blobs.putSmall(KEY, bytes('other'))).rejects.toMatchObject({
      code: 'blob.exists',
    });
    expect(await text(blobs, KEY)).toBe('hello');
    expect(await filesBelow(directory)).toEqual(['o/r1/1/stderr', KEY]);
  });
});

async function* broken(content: string): AsyncGenerator<Uint8Array> {
  yield bytes(content);
  throw new Error('cut');
}

async function* held(content: string, until: Promise<void>): AsyncGenerator<Uint8Array> {
  yield bytes(content);
  await until;
  yield bytes(content);
}
