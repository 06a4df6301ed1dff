import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Bind, Call } from '../call.ts';
import { oneLine } from '../sanitise.ts';

const EXAMPLES = `
Examples:
  runyard fsck /var/lib/runyard
  runyard fsck --quick -o jsonl /var/lib/runyard

It looks at the state of a master that is stopped, and changes nothing. Every checksum, the chain
of commits, each run's history against its record, jobs, keys, and the bytes of all outputs.

Exit status:
  0    nothing is wrong
  1    something is: a line for each finding, "fsck.CODE: where: what, what to do"
  65   it is no state directory, or cannot be read as one
  66   there is none
  75   a master has it open`;

interface Flags {
  quick?: true;
}

export function addFsck(parent: Command, bind: Bind): void {
  parent
    .command('fsck')
    .description('check the state of a stopped master, and change nothing')
    .argument('<state>', 'the directory, as for "master --state"')
    .option('--quick', 'of outputs, artifacts and bundles look at the lengths only')
    .addHelpText('after', EXAMPLES)
    .action(bind<Flags>(check));
}

const FINDINGS_IN_JSON_MAX = 1000;
/** How often those who wait are told. */
const TELL_MS = 3000;

async function check({ args, flags, host, screen }: Call<Flags>): Promise<number> {
  const { fsck, formatFinding } = await import('../../master/main.ts');
  const findings: object[] = [];
  let toldAt = host.clock.now();
  const summary = await fsck({
    directory: resolve(host.cwd, args[0]!),
    deep: !flags.quick,
    onFinding(finding) {
      if (screen.format === 'table') screen.print(`${oneLine(formatFinding(finding))}\n`);
      else if (screen.format === 'jsonl') screen.show(finding, () => '');
      else if (findings.length < FINDINGS_IN_JSON_MAX) findings.push(finding);
    },
    onProgress({ what, count }) {
      const now = host.clock.now();
      if (now - toldAt < TELL_MS) return;
      toldAt = now;
      screen.say(`fsck: ${count} ${what}`);
    },
  });
  const { rev, runs, events, jobs, blobs, findings: count } = summary;
  const verdict =
    count === 0 ? 'nothing is wrong' : `${count} ${count === 1 ? 'finding' : 'findings'}`;
  const answer = screen.format === 'json' ? { ...summary, found: findings } : summary;
  screen.show(
    answer,
    () =>
      `${runs} runs, ${events} events, ${jobs} jobs, ${blobs} blobs, commit ${rev}: ${verdict}\n`,
  );
  return count === 0 ? 0 : 1;
}
