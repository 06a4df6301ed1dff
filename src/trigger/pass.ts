/** The whole way of a message, from its envelope to the runs it asks for; nothing is started. */
import type { Message } from './envelope.ts';
import type { JobData, JobTrigger } from './job-triggers/job-trigger.ts';
import { triggersFor } from './job-triggers/table.ts';
import { requestsOf } from './rules.ts';
import type { Rule, Rules } from './rules.ts';

export interface RunRequest {
  task: string;
  item: string;
  itemType: string;
  arch: string;
  matchHostArch?: boolean;
  jobData: JobData;
}

export interface MatchedRule extends Pick<Rule, 'number' | 'line'> {
  messageType: string;
}

export interface Pass {
  data: JobData[];
  /** Why nothing, or less, was drawn from the message. */
  discarded: string[];
  matched: MatchedRule[];
  requests: RunRequest[];
}

export interface PassOptions {
  triggers: readonly JobTrigger[];
  rules: Rules;
  /** The configured architectures, for rules that name none. */
  arches: readonly string[];
}

/** Says what a message leads to: its job data, the rules they match, the runs these ask for. */
export function passMessage(message: Message, { triggers, rules, arches }: PassOptions): Pass {
  const pass: Pass = { data: [], discarded: [], matched: [], requests: [] };
  const hearing = triggersFor(message.topic, triggers);
  if (hearing.length === 0) pass.discarded.push(`no job trigger hears ${message.topic}`);
  for (const { name, draw } of hearing) {
    const drawn = draw(message);
    if ('discarded' in drawn) pass.discarded.push(`${name}: ${drawn.discarded}`);
    else pass.data.push(...drawn.data);
  }
  for (const jobData of pass.data) {
    for (const rule of rules.match(jobData)) {
      const { number, line } = rule;
      pass.matched.push({ number, line, messageType: jobData.message_type });
      for (const request of requestsOf(rule, jobData, arches)) {
        const { task, item, item_type: itemType, arch, match_host_arch: host } = request;
        const matchHostArch = host === undefined ? {} : { matchHostArch: host };
        pass.requests.push({ task, item, itemType, arch, ...matchHostArch, jobData });
      }
    }
  }
  return pass;
}
