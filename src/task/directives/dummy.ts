import { z } from 'zod';
import { YardError } from '../../base/errors.ts';
import { directive } from './directive.ts';

/** Does nothing, or fails, as it is told: for trying out formulas. */
export const dummy = directive({
  params: z.strictObject({ result: z.string(), msg: z.unknown().optional() }),
  async run({ result, msg }) {
    if (result.toUpperCase() === 'FAIL') {
      throw new YardError('task.dummy', 'this dummy action is told to fail');
    }
    return msg;
  },
});
