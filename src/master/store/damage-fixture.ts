/** Ways to damage a state on disk past the store. */
import { closeSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';

export type Raw = ClassicLevel<string, Buffer>;

/** Works on the database of a state that no store has open. */
export async function changeRaw(
  state: string,
  work: (level: Raw) => Promise<unknown>,
): Promise<void> {
  const level: Raw = new ClassicLevel(join(state, 'db'), { valueEncoding: 'buffer' });
  await level.open();
  await work(level);
  await level.close();
}

/** Puts each of two records in the other's place. */
export async function exchange(state: string, one: string, other: string): Promise<void> {
  await changeRaw(state, async (level) => {
    const [a, b] = await level.getMany([one, other]);
    await level.batch([
      { type: 'put', key: one, value: b! },
      { type: 'put', key: other, value: a! },
    ]);
  });
}

/** The first file of the state's database whose name holds `part`. */
export function databaseFile(state: string, part: string): string {
  const db = join(state, 'db');
  return join(
    db,
    readdirSync(db).find((name) => name.includes(part))!,
  );
}

/** One bit of one byte, in place. `at`: from the end if negative; below one, a part of the file. */
export function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  const scaled = Math.abs(at) < 1 ? Math.floor(at * bytes.length) : at;
  const position = scaled < 0 ? bytes.length + scaled : scaled;
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, Uint8Array.of(bytes[position]! ^ 4), 0, 1, position);
  closeSync(descriptor);
}
