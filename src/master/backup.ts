/**
 * A backup is a directory: `store`, the stream of the store; `blobs/`, all that is sealed, and the
 * times of outputs; `blobs.sha256`, their digests as sha256sum(1) writes them; `BACKUP`, what it is, written last.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, readdir, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { dirname, join, resolve, sep } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { YardError, isYardError, quote } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { formatInstant } from '../base/units.ts';
import { readBackup } from './store/backup.ts';
import { SCHEMA, ifThere, pathsOf, syncDirectory } from './store/directory.ts';
import { storeError } from './store/failures.ts';
import type { BackupManifest } from './store/port.ts';
import { openReadOnly } from './store/read-only.ts';
import { restoreStore } from './store/restoring.ts';
import { readWitness } from './store/witness.ts';
import { timesKey } from './times.ts';

const FORMAT = 'runyard-backup-directory';
/** Times are never sealed. */
const TIMES_PART = `${timesKey('')}.part`;
const HINT = 'take another backup';

export interface BackupSummary extends BackupManifest {
  blobs: number;
  /** Of the blobs. */
  bytes: number;
}

export interface BackupPorts {
  clock: Clock;
  random: Random;
  pid: number;
  scratch: string;
}

interface Marker extends BackupSummary {
  format: string;
  createdAt: string;
}

/**
 * Backs up a state directory. `live` asks the master that has it open for the stream of its store;
 * it is asked only if there is one.
 */
export async function backUpState(
  given: { state: string; target: string; live: () => AsyncIterable<Uint8Array> },
  ports: BackupPorts,
): Promise<BackupSummary> {
  const [state, target] = [resolve(given.state), resolve(given.target)];
  if ((await ifThere(readdir(target)))?.length) {
    throw new YardError('backup.target_not_empty', `${target} holds something`, {
      hint: 'name a directory that is empty or not there',
    });
  }
  try {
    await mkdir(join(target, 'blobs'), { recursive: true, mode: 0o700 });
    const manifest =
      (await copyStopped(state, target, ports)) ?? (await copyLive(state, target, given.live()));
    // After the store: what it names was sealed before.
    const copied = await copyBlobs(join(state, 'blobs'), target);
    const summary = { ...manifest, ...copied };
    const createdAt = formatInstant(ports.clock.wall());
    const marker: Marker = { format: FORMAT, createdAt, ...summary };
    await writeDurably(join(target, 'BACKUP'), [Buffer.from(`${JSON.stringify(marker)}\n`)]);
    await syncDirectory(target);
    return summary;
  } catch (error) {
    throw storeError(error, target, 'store.unavailable');
  }
}

/** undefined: a master has it open. */
async function copyStopped(
  state: string,
  target: string,
  ports: BackupPorts,
): Promise<BackupManifest | undefined> {
  const onFault = (fault: YardError) => {
    throw fault;
  };
  let opened: Awaited<ReturnType<typeof openReadOnly>>;
  try {
    opened = await openReadOnly(state, { ...ports, onFault });
  } catch (error) {
    if (isYardError(error) && error.code === 'store.locked') return undefined;
    throw error;
  }
  const file = await open(join(target, 'store'), 'wx', 0o600);
  try {
    const manifest = await opened!.backup(async (chunk) => void (await file.write(chunk)));
    await file.sync();
    return manifest;
  } finally {
    await file.close();
    await opened!.close();
  }
}

async function copyLive(
  state: string,
  target: string,
  stream: AsyncIterable<Uint8Array>,
): Promise<BackupManifest> {
  const { witness } = pathsOf(state);
  const before = readWitness(witness);
  const file = await open(join(target, 'store'), 'wx', 0o600);
  let manifest: BackupManifest;
  try {
    // Read as it comes, so that what is written is known to be whole.
    const entries = readBackup(passing(stream, file));
    let next = await entries.next();
    while (!next.done) next = await entries.next();
    manifest = next.value;
    await file.sync();
  } finally {
    await file.close();
  }
  const { rev } = manifest;
  if (rev >= before && rev <= readWitness(witness)) return manifest;
  throw new YardError('backup.other_master', `the master that was asked does not own ${state}`, {
    hint: 'name the one that does with --server',
  });
}

async function* passing(
  chunks: AsyncIterable<Uint8Array>,
  file: FileHandle,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await file.write(chunk);
    yield chunk;
  }
}

async function copyBlobs(from: string, target: string): Promise<{ blobs: number; bytes: number }> {
  const list = await open(join(target, 'blobs.sha256'), 'wx', 0o600);
  const copied = { blobs: 0, bytes: 0 };
  try {
    for await (const name of keptBelow(from)) {
      const { bytes, sha256 } = await copyFile(join(from, name), join(target, 'blobs', name));
      await list.write(`${sha256}  blobs/${name}\n`);
      copied.blobs++;
      copied.bytes += bytes;
    }
    await list.sync();
  } finally {
    await list.close();
  }
  return copied;
}

/** What still grows is sent again by who wrote it; when it came is known here alone. */
async function* keptBelow(root: string, below = ''): AsyncGenerator<string> {
  const found = (await ifThere(readdir(join(root, below), { withFileTypes: true }))) ?? [];
  for (const entry of found.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.name.startsWith('~')) continue;
    if (entry.isDirectory()) yield* keptBelow(root, name);
    else if (!entry.name.endsWith('.part') || entry.name.endsWith(TIMES_PART)) yield name;
  }
}

async function copyFile(from: string, to: string): Promise<{ bytes: number; sha256: string }> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  let bytes = 0;
  async function* read(): AsyncGenerator<Uint8Array> {
    for await (const chunk of createReadStream(from) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  await writeDurably(to, read());
  return { bytes, sha256: hash.digest('hex') };
}

async function writeDurably(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of chunks) await file.write(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

export interface RestoreSummary extends BackupSummary {
  /** The last epoch; the next start has the one after it. */
  epoch: number;
}

/** Makes a state directory of a backup; refuses one that holds anything. */
export async function restoreState(
  given: { backup: string; state: string; epoch?: number | undefined },
  ports: BackupPorts,
): Promise<RestoreSummary> {
  const [backup, directory] = [resolve(given.backup), resolve(given.state)];
  const { format: _, createdAt: __, ...summary } = await readMarker(backup);
  const blobs = join(directory, 'blobs');
  const { epoch } = await restoreStore({
    directory,
    stream: createReadStream(join(backup, 'store')),
    manifest: summary,
    epoch: given.epoch,
    beside: {
      bring: () => restoreBlobs(backup, blobs, summary.blobs),
      remove: () => rm(blobs, { recursive: true, force: true }),
    },
    ...ports,
  });
  return { ...summary, epoch };
}

async function readMarker(backup: string): Promise<Marker> {
  const text = await ifThere(readFile(join(backup, 'BACKUP'), 'utf8'));
  const wrong = (what: string) =>
    new YardError('backup.invalid', `${backup} ${what}`, { hint: HINT });
  if (text === undefined) throw wrong('holds no file BACKUP: it is none, or was never complete');
  let marker: Marker;
  try {
    marker = JSON.parse(text) as Marker;
  } catch {
    throw wrong('holds a file BACKUP that cannot be read');
  }
  if (marker.format !== FORMAT) throw wrong('is of another format');
  if (marker.schema === SCHEMA) return marker;
  throw new YardError('backup.schema', `${backup} is of schema ${marker.schema}, not ${SCHEMA}`, {
    hint: 'restore it with the release that made it',
  });
}

async function restoreBlobs(backup: string, to: string, count: number): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  let copied = 0;
  const lines = createInterface({ input: createReadStream(join(backup, 'blobs.sha256')) });
  for await (const line of lines) {
    const [, wanted, name] = /^([0-9a-f]{64}) {2}blobs\/(.+)$/.exec(line) ?? [];
    const path = name === undefined ? to : resolve(to, name);
    if (!path.startsWith(to + sep)) throw damaged(`its list of blobs holds ${quote(line)}`);
    const found = await ifThere(copyFile(join(backup, 'blobs', name!), path));
    if (!found) throw damaged(`blobs/${name} is missing`);
    if (found.sha256 !== wanted)
      throw damaged(`blobs/${name} holds other bytes than were backed up`);
    copied++;
  }
  if (copied !== count) throw damaged(`its list names ${copied} blobs of ${count}`);
}

function damaged(what: string): YardError {
  return new YardError('backup.sha256', what, { hint: HINT });
}
