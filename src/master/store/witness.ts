import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { YardError } from '../../base/errors.ts';
import { DAMAGE_HINT } from './failures.ts';
import type { Rev } from './port.ts';

/**
 * A small file beside the database that holds the number of the last acknowledged commit, so that
 * a log whose end was cut off is noticed. It is not synced: after a power cut it may be behind,
 * never ahead.
 */
export interface Witness {
  /** Waits only for the page cache. */
  write: (rev: Rev) => void;
  close: () => void;
}

const LINE = /^rev (\d{15})\n$/;

/** Makes the file durable before it counts. */
export function createWitness(path: string): Witness {
  const descriptor = openSync(path, 'w', 0o600);
  const witness = makeWitness(descriptor);
  try {
    witness.write(0);
    fsyncSync(descriptor);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return witness;
}

export function openWitness(path: string): Witness {
  return makeWitness(openSync(path, 'r+'));
}

function makeWitness(descriptor: number): Witness {
  return {
    write: (rev) => void writeSync(descriptor, `rev ${String(rev).padStart(15, '0')}\n`, 0),
    close: () => closeSync(descriptor),
  };
}

export function readWitness(path: string): Rev {
  const match = LINE.exec(readWhole(path));
  if (match) return Number(match[1]);
  throw new YardError('store.corrupt', `${path} does not hold the number of the last commit`, {
    hint: DAMAGE_HINT,
  });
}

function readWhole(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
