import { cloudCompose } from './cloud-compose.ts';
import type { JobTrigger } from './job-trigger.ts';

/** Every job trigger; a message is given to each whose topics it matches. */
export const JOB_TRIGGERS: readonly JobTrigger[] = [cloudCompose];

/** The triggers that hear a topic, as fedmsg's consumers do: by the beginning of the topic. */
export function triggersFor(topic: string, triggers: readonly JobTrigger[]): JobTrigger[] {
  return triggers.filter(({ topics }) => topics.some((prefix) => topic.startsWith(prefix)));
}
