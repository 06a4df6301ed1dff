/** What faults struck: which kind, how a run stood then, and what was said last on its wire. */
import { isDone } from '../../src/protocol/run.ts';
import type { Fault } from './scenario.ts';
import type { MakeOracle } from './oracles/oracle.ts';

/** How often, by `fault kind|run state|message`. */
export type Hits = Record<string, number>;

/**
 * An observer among the oracles. A fault of a slave or its link strikes the runs that are there,
 * one of the master all of them, and each with the last message between master and that slave.
 */
export function hitsInto(hits: Hits): MakeOracle {
  return ({ mirror }) => {
    const last = new Map<string, string>();

    function strike({ kind, slave }: Fault): void {
      const isOfSlave = /^(?:slave|net)\./.test(kind);
      for (const { state, context } of mirror.folds.values()) {
        if (isDone(state) || (isOfSlave && context.slave !== slave)) continue;
        const key = `${kind}|${state}|${last.get(context.slave ?? slave) ?? 'nothing'}`;
        hits[key] = (hits[key] ?? 0) + 1;
      }
    }

    return {
      onFault: strike,
      onMasterSends: (session, { type }) => void last.set(session.slave ?? '', type),
      onSlaveSends: ({ plan }, { type }) => void last.set(plan.name, type),
    };
  };
}
