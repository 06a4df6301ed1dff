import { Argument } from 'commander';
import type { Command } from 'commander';
import { sleep } from '../../base/clock.ts';
import { isYardError } from '../../base/errors.ts';
import type { Bind } from '../call.ts';
import type { Client } from '../host.ts';
import { idsFrom } from '../select.ts';

/** What the words of a command line may name. */
export const KINDS = ['runs', 'live-runs', 'slaves'] as const;
export type Kind = (typeof KINDS)[number];

const EXAMPLES = `
Examples:
  runyard complete slaves rack-
  runyard complete live-runs`;

/** Whoever pressed a key waits for it. */
const ASK_MS = 1_000;
const NAMES_MAX = 100;
/** Shells expand what they are offered: nothing else gets there, whatever a master says. */
const PLAIN = /^[A-Za-z0-9_.-]+$/;

/** What the scripts of `completion` ask while somebody types: names, or nothing and no word why. */
export function addComplete(parent: Command, bind: Bind): void {
  parent
    .command('complete', { hidden: true })
    .description('print names that begin so, for the scripts of "completion"')
    .addArgument(new Argument('<kind>', 'of names').choices(KINDS))
    .argument('[start]', 'how they begin', '')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ args: [kind, start = ''], host, client, screen }) => {
        const names = await Promise.race([
          namesOf(client, kind as Kind, start),
          sleep(host.clock, ASK_MS).then((): string[] => []),
        ]);
        const fitting = names.filter((name) => name.startsWith(start) && PLAIN.test(name));
        for (const name of fitting) screen.print(`${name}\n`);
      }),
    );
}

async function namesOf(client: () => Client, kind: Kind, start: string): Promise<string[]> {
  try {
    if (kind === 'slaves') return (await client().listSlaves()).map(({ name }) => name);
    const live = kind === 'live-runs' ? { state: ['PENDING' as const, 'RUNNING' as const] } : {};
    const runs = await client().listRuns({ ...live, ...idsFrom(start), limit: NAMES_MAX });
    return ['last', ...runs.map(({ runId }) => runId)];
  } catch (error) {
    if (!isYardError(error)) throw error;
    return [];
  }
}
