/** Whether what is in a database is whole: every record, and the chain of its groups of commits. */
import { YardError, quote } from '../../base/errors.ts';
import {
  ANCHOR_KEY,
  CHAIN_START,
  LINK_PREFIX,
  OWN_END,
  checkSuccessor,
  decodeLink,
  linkKey,
} from './chain.ts';
import type { Link } from './chain.ts';
import { DAMAGE_HINT } from './failures.ts';
import { LEASE_PREFIX, decodeLease } from './group.ts';
import type { Entry } from './port.ts';

/** What a store goes on from. */
export interface Standing {
  last: Link;
  /** The group of the last link that was pruned. */
  anchorGroup: number;
  epochs: Map<string, number>;
  /** How many entries were checked; those of the callers only if the check was whole. */
  entries: number;
}

export const FRESH_STANDING: Standing = {
  last: CHAIN_START,
  anchorGroup: 0,
  epochs: new Map(),
  entries: 0,
};

export interface RecordCheck {
  /** In the order of keys, each with its checksum checked already. Throws at a fault, and can go on. */
  take: (entry: Entry) => void;
  /** After the last: throws if any was newer than the end of the chain. */
  checkEnd: () => void;
  /** After the last: what was found, also if there were faults. */
  standing: () => Standing;
}

export function makeRecordCheck(): RecordCheck {
  const epochs = new Map<string, number>();
  let anchor: Link | undefined;
  let last = CHAIN_START;
  let entries = 0;
  let newest: Entry | undefined;

  function takeOwn({ key, value }: Entry): void {
    if (key === ANCHOR_KEY) {
      last = anchor = decodeLink(value);
    } else if (key.startsWith(LINK_PREFIX)) {
      const [before, next] = [last, decodeLink(value)];
      last = next;
      if (key !== linkKey(next.group)) throw corrupt(`link ${next.group} is in another's place`);
      checkSuccessor(before, next);
    } else if (key.startsWith(LEASE_PREFIX)) {
      epochs.set(key.slice(LEASE_PREFIX.length), decodeLease(value));
    } else {
      throw corrupt(`key ${quote(key)} is none of the store's own`);
    }
  }

  return {
    take(entry) {
      if (entry.key < OWN_END) takeOwn(entry);
      else entries++;
      if (entry.rev > (newest?.rev ?? 0)) newest = entry;
    },
    checkEnd() {
      if (!newest || newest.rev <= last.lastRev) return;
      const { key, rev } = newest;
      throw corrupt(`key ${quote(key)} is of commit ${rev}, the last known one is ${last.lastRev}`);
    },
    standing: () => ({ last, anchorGroup: anchor?.group ?? 0, epochs, entries }),
  };
}

function corrupt(what: string): YardError {
  return new YardError('store.corrupt', what, { hint: DAMAGE_HINT });
}
