import { appendFileSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { files, follow, pass, write } from './outputs-fixture.ts';

describe('combined', () => {
  test('tears no line that ends within a second', async () => {
    const { tail } = follow();
    write('stdout', 'first ha');
    write('stderr', 'error\n');
    await pass(200);
    write('stdout', 'lf\n');
    await pass(200);
    await tail.finish();
    expect(readFileSync(files.combined, 'utf8')).toBe('error\nfirst half\n');
  });

  test('shows a prompt that waits for longer', async () => {
    const { sink, tail } = follow();
    write('stdout', 'Password: ');
    await pass(1300);
    expect(sink.texts().combined).toBe('Password: ');
    tail.stop();
  });

  test('takes lines longer than any buffer, and bytes that are no text', async () => {
    const { sink, tail } = follow();
    const bytes = Buffer.alloc(300_000, 0xff);
    appendFileSync(files.stdout, bytes);
    await pass(100);
    write('stderr', 'e\n');
    await tail.finish();
    await tail.flushed();
    expect(sink.bytes('stdout').equals(bytes)).toBe(true);
    expect(sink.bytes('combined').filter((byte) => byte === 0xff)).toHaveLength(300_000);
  });
});
