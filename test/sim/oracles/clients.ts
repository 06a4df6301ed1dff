/** S2, S16, S17, S23, S25: what clients were told stays true. */
import { isDone } from '../../../src/protocol/run.ts';
import type { RunStatus } from '../../../src/protocol/run.ts';
import { isSame } from './mirror.ts';
import type { MakeOracle } from './oracle.ts';

export const clientOracles: MakeOracle = (sight) => {
  const { mirror, report } = sight;
  const accepted = new Set<string>();
  const runOfKey = new Map<number, string>();
  const endTold = new Map<string, { state: string; atMs: number }>();

  function checkTold({ runId, state, attempt }: RunStatus, askedAtMs: number): void {
    const run = mirror.folds.get(runId);
    if (!run) return report('S16', `run ${runId} is told of and not on disk`);
    const told = endTold.get(runId);
    // Who asked before that end was told may be told how it was until then.
    if (told && told.state !== state && (isDone(state) || told.atMs < askedAtMs)) {
      report('S17', `run ${runId} was told to be ${told.state}, and now ${state}`);
    }
    if (!isDone(state)) return;
    if (!told) endTold.set(runId, { state, atMs: sight.nowMs });
    if (run.state !== state || run.context.attempt !== attempt) {
      report('S16', `run ${runId} is told to be ${state}, on disk it is ${run.state}`);
    }
  }

  function checkAll(): void {
    for (const runId of accepted) {
      if (!mirror.runs.has(runId)) report('S2', `run ${runId} was accepted and is not there`);
    }
    for (const [runId, { state }] of endTold) {
      const now = mirror.runs.get(runId)?.state;
      if (now !== state) report('S16', `run ${runId} was told to be ${state}, and is ${now}`);
    }
  }

  return {
    onAnswer(answer, askedAtMs) {
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
          return checkTold(answer.status, askedAtMs);
        case 'aborted':
          checkTold(answer.status, askedAtMs);
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
