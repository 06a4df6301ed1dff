import { ClassicLevel } from 'classic-level';
import type { Clock } from '../../base/clock.ts';
import { YardError } from '../../base/errors.ts';
import { inspectState, makeDirectory, markCreating, markReady } from './directory.ts';
import type { StatePaths } from './directory.ts';
import { DAMAGE_HINT, storeError } from './failures.ts';
import { takeLock } from './lock.ts';
import type { Lock, LockOptions } from './lock.ts';
import { FRESH_STANDING } from './check.ts';
import type { Standing } from './check.ts';
import { tryOut } from './trial.ts';
import type { Database } from './trial.ts';
import { createWitness, openWitness } from './witness.ts';
import type { Witness } from './witness.ts';

const DATABASE_OPTIONS = {
  compression: true,
  cacheSize: 64 * 2 ** 20,
  writeBufferSize: 16 * 2 ** 20,
};

/** A state directory that is ours and whole, with everything in it open. */
export interface OpenState {
  db: Database;
  witness: Witness;
  standing: Standing;
  close: () => Promise<void>;
}

/** Nothing is changed before all of it was found good, or empty. */
export function openState(paths: StatePaths, options: LockOptions): Promise<OpenState> {
  return named(paths, async () => {
    if ((await inspectState(paths)) === 'absent') {
      await makeDirectory(paths.root);
    }
    const lock = await takeLock(paths.lock, options);
    try {
      // Another process may have had it until a moment ago: what was seen before counts no more.
      const isReady = (await inspectState(paths)) === 'ready';
      return isReady ? await openReady(paths, lock) : await create(paths, lock, options.clock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  });
}

async function openReady(paths: StatePaths, lock: Lock): Promise<OpenState> {
  const standing = await tryOut(paths);
  const db = await openDatabase(paths, false);
  return assemble({ db, lock, standing, witness: () => openWitness(paths.witness) });
}

/** Also what ends a first start that was interrupted: nothing was acknowledged by it. */
async function create(paths: StatePaths, lock: Lock, clock: Clock): Promise<OpenState> {
  await markCreating(paths, clock.wall());
  const db = await openDatabase(paths, true);
  const witness = () => createWitness(paths.witness);
  const state = await assemble({ db, lock, standing: FRESH_STANDING, witness });
  try {
    await checkEmpty(db);
    await markReady(paths, clock.wall());
    return state;
  } catch (error) {
    await state.close();
    throw error;
  }
}

async function openDatabase(paths: StatePaths, createIfMissing: boolean): Promise<Database> {
  const db: Database = new ClassicLevel(paths.db, { valueEncoding: 'buffer' });
  await db.open({ ...DATABASE_OPTIONS, createIfMissing });
  return db;
}

interface Parts {
  db: Database;
  lock: Lock;
  standing: Standing;
  witness: () => Witness;
}

async function assemble({ db, lock, standing, witness: open }: Parts): Promise<OpenState> {
  let witness: Witness;
  try {
    witness = open();
  } catch (error) {
    await db.close();
    throw error;
  }
  return {
    db,
    witness,
    standing,
    async close() {
      await db.close();
      witness.close();
      await lock.release();
    },
  };
}

async function checkEmpty(db: Database): Promise<void> {
  const [first] = await db.keys({ limit: 1 }).all();
  if (first === undefined) return;
  const what = `${db.location} holds records, but RUNYARD says that it was never complete`;
  throw new YardError('store.corrupt', what, { hint: DAMAGE_HINT });
}

async function named<T>(paths: StatePaths, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error, paths.root, 'store.unavailable');
  }
}
