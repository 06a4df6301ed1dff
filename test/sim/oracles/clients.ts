/** S2, S16, S17, S23, S25: what clients were told stays true. */
import { isDone } from '../../../src/protocol/run.ts';
import type { RunStatus } from '../../../src/protocol/run.ts';
import { isSame } from './mirror.ts';
import type { MakeOracle } from './oracle.ts';

export const clientOracles: MakeOracle = ({ mirror, report }) => {
  const accepted = new Set<string>();
  const runOfKey = new Map<number, string>();
  const endTold = new Map<string, string>();

  function checkTold({ runId, state, attempt }: RunStatus): void {
    const run = mirror.folds.get(runId);
    if (!run) return report('S16', `run ${runId} is told of and not on disk`);
    const told = endTold.get(runId);
    if (told !== undefined && told !== state) {
      report('S17', `run ${runId} was told to be ${told}, and now ${state}`);
    }
    if (!isDone(state)) return;
    endTold.set(runId, state);
    if (run.state !== state || run.context.attempt !== attempt) {
      report('S16', `run ${runId} is told to be ${state}, on disk it is ${run.state}`);
    }
  }

  function checkAll(): void {
    for (const runId of accepted) {
      if (!mirror.runs.has(runId)) report('S2', `run ${runId} was accepted and is not there`);
    }
    for (const [runId, state] of endTold) {
      const now = mirror.runs.get(runId)?.state;
      if (now !== state) report('S16', `run ${runId} was told to be ${state}, and is ${now}`);
    }
  }

  return {
    onAnswer(answer) {
      switch (answer.kind) {
        case 'submitted': {
          const { index, runId, asked } = answer;
          if (!mirror.runs.has(runId)) report('S2', `run ${runId} is accepted and not on disk`);
          accepted.add(runId);
          if (asked && !isSame(asked, mirror.origins.get(runId)?.request)) {
            report('S25', `run ${runId} is of its key, and was asked for with another content`);
          }
          const known = runOfKey.get(index);
          if (known !== undefined && known !== runId) {
            report('S25', `key of run ${index} is of ${known} and of ${runId}`);
          }
          runOfKey.set(index, runId);
          return;
        }
        case 'status':
          return checkTold(answer.status);
        case 'aborted':
          checkTold(answer.status);
          if (!isDone(answer.status.state)) {
            report('S23', `abort of run ${answer.status.runId} told ${answer.status.state}`);
          }
          return;
        case 'job':
          for (const runId of answer.status.runs) accepted.add(runId);
          return;
        case 'drained':
        case 'resumed':
          // Who asked later may already have been heard: only that it is known can be checked.
          if (!mirror.slaves.has(answer.slave)) report('S16', `${answer.slave} is not on disk`);
      }
    },
    onMasterServes: checkAll,
    onEnd: checkAll,
  };
};
