/** What can be done to slaves. */
import type { SlaveStatus } from '../protocol/http.ts';
import { post, segment } from './base/api.ts';
import { plural } from './base/text.ts';
import { attempt } from './base/use.ts';
import { confirm } from './parts/dialog.tsx';

const HOUR_MS = 3_600_000;

/** Takes a slave out of service for a reason; what runs there goes on. */
export async function drainSlave({ name, runs }: SlaveStatus): Promise<boolean> {
  const given = await confirm({
    title: `Drain slave ${name}?`,
    text: `It gets no new work. ${plural(runs.length, 'run')} there will go on to the end.`,
    field: { label: 'Reason', isNeeded: true },
    choices: {
      label: 'Until',
      options: [
        { value: '', name: 'it is resumed' },
        { value: String(HOUR_MS), name: 'an hour from now' },
        { value: String(2 * HOUR_MS), name: 'two hours from now' },
        { value: String(24 * HOUR_MS), name: 'a day from now' },
      ],
    },
    verb: 'Drain it',
  });
  if (!given) return false;
  return attempt(async () => {
    const forMs = given.choice === '' ? {} : { forMs: Number(given.choice) };
    await post(`/api/slaves/${segment(name)}/drain`, { note: given.text, ...forMs });
    return `${name} is draining.`;
  });
}

export function resumeSlave({ name }: SlaveStatus): Promise<boolean> {
  return attempt(async () => {
    await post(`/api/slaves/${segment(name)}/resume`);
    return `${name} takes work again.`;
  });
}
