/** S33: what a clock is asked to say to a run. */
import { runDeadline } from '../../../src/machines/run-deadline.ts';
import type { MakeOracle } from './oracle.ts';

/** Clocks are read in whole milliseconds. */
const SLACK_MS = 2;

export const deadlineOracles: MakeOracle = ({ scenario, report }) => {
  // A wall clock that jumps moves the times that are told, not those that are waited for.
  if (scenario.faults.some(({ kind }) => kind === 'master.clock')) return {};
  return {
    onChange({ steps }) {
      for (const { event, before } of steps) {
        const due = runDeadline(before.state, before.context);
        const { type, at } = event.event;
        if (due?.event !== type || at >= due.at - SLACK_MS) continue;
        report('S33', `${type} of run ${event.run} comes ${Math.round(due.at - at)} ms early`);
      }
    },
  };
};
