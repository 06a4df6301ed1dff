/** From one message to runs: trigger, rules, tasks packed into bundles, one job (spec rows T1, T3). */
import type { MasterService, Principal } from '../protocol/service.ts';
import { YardError, quote } from '../base/errors.ts';
import { runRequest } from '../protocol/run.ts';
import type { MessageOutcome } from '../protocol/http.ts';
import { parseMessage } from '../trigger/envelope.ts';
import { JOB_TRIGGERS } from '../trigger/job-triggers/table.ts';
import { passMessage } from '../trigger/pass.ts';
import type { Rules } from '../trigger/rules.ts';

export type MessageTaker = (raw: unknown, by: Principal) => Promise<MessageOutcome>;

export interface MessagePorts {
  rules: Rules;
  /** Makes the bundle of a named task available and names it, with the formula's path in it. */
  bundleOf: (task: string) => Promise<{ id: string; file: string }>;
  /** Architectures of the slaves that are known, for rules that name none. */
  arches: () => readonly string[];
  submitJob: MasterService['submitJob'];
}

export function makeMessageTaker({
  rules,
  bundleOf,
  arches,
  submitJob,
}: MessagePorts): MessageTaker {
  return async (raw, by) => {
    const message = parseMessage(raw);
    const pass = passMessage(message, { triggers: JOB_TRIGGERS, rules, arches: arches() });
    const matched = pass.matched.map(
      ({ number, line, messageType }) => `rule ${number} (line ${line}) for ${messageType}`,
    );
    const { discarded } = pass;
    if (pass.requests.length === 0) return { runs: [], matched, discarded };
    const bundles = new Map<string, { id: string; file: string }>();
    for (const { task } of pass.requests) {
      if (!bundles.has(task)) bundles.set(task, await bundleOf(task));
    }
    const runs = pass.requests.map(({ task, item, itemType, arch }) => {
      const { id, file } = bundles.get(task)!;
      return runRequest.parse({
        name: `${task} on ${item.split('/').at(-1)} (${arch})`,
        formula: { file, item, itemType },
        bundle: id,
        arch: arch === 'noarch' ? undefined : arch,
      });
    });
    const names = new Map<string, number>();
    for (const run of runs) {
      const seen = (names.get(run.name!) ?? 0) + 1;
      names.set(run.name!, seen);
      if (seen > 1) run.name = `${run.name} #${seen}`;
    }
    const { jobId, runs: runIds } = await submitJob({ name: message.topic, runs }, by);
    return { runs: runIds, job: jobId, matched, discarded };
  };
}

export function noSuchTask(task: string): YardError {
  return new YardError(
    'task.unknown',
    `the rules name ${quote(task)}, which is not in the tasks directory`,
  );
}
