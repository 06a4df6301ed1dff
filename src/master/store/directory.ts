import { mkdir, open, readFile, readdir, rename, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { YardError, quote } from '../../base/errors.ts';
import { formatInstant } from '../../base/units.ts';
import { DAMAGE_HINT } from './failures.ts';

/**
 * The schema that this program reads and writes. 1 kept whole snapshots below `run/` and requests
 * beside them; 2 keeps rows below `live/` and `done/`, and what never changes below `origin/`.
 */
export const SCHEMA = 2;
const FORMAT = 'runyard-state';

export interface StatePaths {
  root: string;
  marker: string;
  lock: string;
  db: string;
  /** Where a copy of the database is opened first; never left behind by a live process. */
  trial: string;
  witness: string;
}

export function pathsOf(root: string): StatePaths {
  const path = (name: string) => join(root, name);
  return {
    root,
    marker: path('RUNYARD'),
    lock: path('lock'),
    db: path('db'),
    trial: path('db.trial'),
    witness: path('witness'),
  };
}

/** What a directory is, seen without changing it. creating: a first start was interrupted. */
export type StateKind = 'absent' | 'empty' | 'creating' | 'ready';

interface Marker {
  format: string;
  schema: number;
  createdAt: string;
  /** Until the first database is complete: nothing was acknowledged before. */
  creating?: true;
}

/** Throws for a directory that is not ours, of another schema, or not whole. */
export async function inspectState(paths: StatePaths): Promise<StateKind> {
  const { root } = paths;
  const found = await ifThere(statIfPossible(root));
  if (!found) return 'absent';
  if (!found.isDirectory()) throw foreign(root, 'is not a directory');
  const text = await ifThere(readFile(paths.marker, 'utf8'));
  if (text === undefined) {
    const stranger = (await readdir(root)).find((name) => !isHarmless(name));
    if (stranger === undefined) return 'empty';
    throw foreign(root, `holds ${quote(stranger)} and no file RUNYARD`);
  }
  const marker = parseMarker(text, paths.marker);
  if (marker.schema > SCHEMA) {
    throw new YardError('store.schema_newer', `${marker.schema}>${SCHEMA} in ${root}`, {
      hint: 'start the newer release that wrote it',
    });
  }
  if (marker.schema < SCHEMA) {
    throw new YardError('store.schema_older', `${marker.schema}<${SCHEMA} in ${root}`, {
      hint: 'let its runs end with the release that wrote it, and begin with an empty --state',
    });
  }
  if (marker.creating) return 'creating';
  if (!(await ifThere(stat(paths.db)))) throw corrupt(`${paths.db} is missing`);
  return 'ready';
}

async function statIfPossible(root: string): Promise<Stats> {
  try {
    return await stat(root);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ENOTDIR' ? foreign(root, 'is below something that is no directory') : error;
  }
}

/** What may stand in a directory that counts as empty: our own lock, and what a repository keeps. */
function isHarmless(name: string): boolean {
  const others = ['README.md', '.gitignore', '.gitkeep', 'lost+found', 'lock'];
  return others.includes(name) || /^lock\.[a-z0-9-]+$/.test(name) || name === 'RUNYARD.new';
}

function parseMarker(text: string, path: string): Marker {
  let marker: Partial<Marker> | null;
  try {
    marker = JSON.parse(text) as Partial<Marker> | null;
  } catch {
    throw corrupt(`${path} cannot be read`);
  }
  if (marker?.format !== FORMAT) throw foreign(path, `is not of the format ${FORMAT}`);
  const { schema } = marker;
  if (!Number.isInteger(schema) || schema! < 1) throw corrupt(`${path} names no schema`);
  return marker as Marker;
}

/** Makes its parents too. Node's own way to do so says "not found" on a read-only file system. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await makeDirectory(path);
  }
}

/** Before the first database is made, so that whoever finds half of it knows what it is. */
export function markCreating(paths: StatePaths, wallMs: number): Promise<void> {
  return writeMarker(paths, wallMs, true);
}

export function markReady(paths: StatePaths, wallMs: number): Promise<void> {
  return writeMarker(paths, wallMs, false);
}

async function writeMarker(paths: StatePaths, wallMs: number, creating: boolean): Promise<void> {
  const marker: Marker = { format: FORMAT, schema: SCHEMA, createdAt: formatInstant(wallMs) };
  if (creating) marker.creating = true;
  const fresh = `${paths.marker}.new`;
  const file = await open(fresh, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(marker)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, paths.marker);
  await syncDirectory(paths.root);
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** undefined where there is no such file; other failures are thrown. */
export async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw error;
  }
}

function foreign(path: string, what: string): YardError {
  return new YardError('store.foreign', `${path} ${what}`, {
    hint: 'name a directory of Runyard or an empty one',
  });
}

function corrupt(what: string): YardError {
  return new YardError('store.corrupt', what, { hint: DAMAGE_HINT });
}
