import { z } from 'zod';
import { worstOutcome } from '../check-detail.ts';
import { importResults } from '../result-yaml.ts';
import { directive } from './directive.ts';

/** What a task exits with whose deciding result is neither PASSED nor INFO. */
const FAILURE = 100;

/** Makes the worst, or the last, of some results decide what the task exits with. */
export const exitcode = directive({
  params: z
    .strictObject({ result_worst: z.unknown().optional(), result_last: z.unknown().optional() })
    .refine((params) => Object.keys(params).length === 1, {
      error: 'give exactly one of result_worst and result_last',
    }),
  async run(params, context) {
    const key = 'result_worst' in params ? 'result_worst' : 'result_last';
    const details = importResults(params[key], key);
    const outcome =
      key === 'result_last'
        ? details.at(-1)?.outcome
        : worstOutcome(details.map((detail) => detail.outcome));
    const isGood = outcome === undefined || outcome === 'PASSED' || outcome === 'INFO';
    const code = isGood ? 0 : FAILURE;
    context.setExitCode(code);
    return code;
  },
});
