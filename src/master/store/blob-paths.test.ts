import { describe, expect, test } from 'vitest';
import { bytes, filesBelow, manifestOf, pieces, setUp, text } from './blob-fixture.ts';

describe('a key', () => {
  test.each([
    '',
    '/',
    '/etc/passwd',
    'o//x',
    'o/',
    '.',
    '..',
    '../x',
    'o/../../x',
    'o/./x',
    'o/%2E%2E/x',
    'o/..%2Fx',
    'o/%2e',
    'o/%',
    'o/%4',
    'o/a b',
    'o/a\\b',
    'o/a\0b',
    'o/a\nb',
    'o/x\n',
    'o/ä',
    '~put/0',
    `o/${'x'.repeat(241)}`,
    `${'x/'.repeat(600)}x`,
  ])('that is %j is refused by every call, and no file is made', async (key) => {
    const { blobs, directory } = await setUp();
    const calls = [
      blobs.append(key, 0, bytes('x')),
      blobs.seal(key, manifestOf('')),
      blobs.put(key, pieces('x'), { bytesMax: 1 }),
      blobs.putSmall(key, bytes('x')),
      blobs.stat(key),
      blobs.get(key),
      blobs.grown(key, AbortSignal.abort()),
      blobs.remove(key),
    ];
    for (const end of await Promise.allSettled(calls)) {
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'ref.invalid' } });
    }
    expect(await filesBelow(directory)).toEqual([]);
  });

  test.each(['a/r1/1/report%20%C3%A4.xml', 'a/r1/1/...', 'a/r1/1/-rf', `a/${'x'.repeat(240)}`])(
    'that is %j can be written, sealed and removed',
    async (key) => {
      const { blobs, directory } = await setUp();
      await blobs.append(key, 0, bytes('x'));
      await blobs.seal(key, manifestOf('x'));
      expect(await text(blobs, key)).toBe('x');
      await blobs.remove(key);
      expect(await filesBelow(directory)).toEqual([]);
    },
  );

  test('that ends in .part is another blob than the open one without that ending', async () => {
    const { blobs } = await setUp();
    await blobs.append('a/x', 0, bytes('open'));
    await blobs.putSmall('a/x.part', bytes('sealed'));
    await blobs.putSmall('a/y.part/z', bytes('below'));
    await blobs.append('a/y', 0, bytes('beside'));

    expect(await text(blobs, 'a/x')).toBe('open');
    expect(await text(blobs, 'a/x.part')).toBe('sealed');
    await blobs.remove('a/y');
    expect(await text(blobs, 'a/y.part/z')).toBe('below');
  });

  test('cannot be a blob and a directory of blobs', async () => {
    const { blobs } = await setUp();
    await blobs.putSmall('a/x', bytes('file'));
    await expect(blobs.append('a/x/y', 0, bytes('x'))).rejects.toMatchObject({
      code: 'blob.exists',
    });
    await blobs.putSmall('a/d/y', bytes('file'));
    await expect(blobs.putSmall('a/d', bytes('x'))).rejects.toMatchObject({ code: 'blob.exists' });
    await expect(blobs.seal('a/d', manifestOf(''))).rejects.toMatchObject({ code: 'blob.exists' });
    expect(await text(blobs, 'a/d/y')).toBe('file');
  });
});
