import { resolve } from 'node:path';
import type { Command } from 'commander';
import { formatBytes } from '../../base/units.ts';
import type { Bind } from '../call.ts';
import { wholeNumber } from '../flags.ts';

const BACKUP_EXAMPLES = `
Examples:
  runyard backup /var/lib/runyard /backup/yard-monday
  runyard backup --server https://127.0.0.1:7070 --token-file admin.token /var/lib/runyard DIR

A master that has the state open is asked for one snapshot of its store (scope admin), and serves
on; a stopped one is not needed. Outputs, artifacts and bundles are copied. The file BACKUP is
written last: a directory without it is no backup. "sha256sum -c blobs.sha256" checks the copies.`;

const RESTORE_EXAMPLES = `
Examples:
  runyard restore /backup/yard-monday /var/lib/runyard
  runyard restore --epoch 41 /backup/yard-monday /var/lib/runyard

The state must be empty or not there. What came after the backup is forgotten. Slaves that have
served later starts of the old master refuse the restored one, since attempts could repeat, and log
the epoch that they have seen: --epoch goes on from there, once the old master is gone for good.`;

export function addBackup(parent: Command, bind: Bind): void {
  parent
    .command('backup')
    .description('copy the state of a master, running or stopped, to another directory')
    .argument('<state>', 'the directory, as for "master --state"')
    .argument('<directory>', 'where to; empty, or made')
    .addHelpText('after', BACKUP_EXAMPLES)
    .action(
      bind(async ({ args, client, host, screen }) => {
        const { backUp } = await import('../../master/main.ts');
        const [state, target] = args.map((path) => resolve(host.cwd, path));
        const live = () => client().openBackup();
        const summary = await backUp({ state: state!, target: target!, live });
        screen.show(summary, ({ entries, blobs, bytes, rev }) => {
          return `${entries} records, ${blobs} blobs (${formatBytes(bytes)}), commit ${rev}\n`;
        });
      }),
    );
}

export function addRestore(parent: Command, bind: Bind): void {
  parent
    .command('restore')
    .description('make the state of a master of a backup')
    .argument('<backup>', 'what "backup" made')
    .argument('<state>', 'the directory to make; empty or not there')
    .option('--epoch <n>', 'go on from there if it is higher', wholeNumber(1, 2 ** 40))
    .addHelpText('after', RESTORE_EXAMPLES)
    .action(
      bind<{ epoch?: number }>(async ({ args, flags, host, screen }) => {
        const { restore } = await import('../../master/main.ts');
        const [backup, state] = args.map((path) => resolve(host.cwd, path));
        const summary = await restore({ backup: backup!, state: state!, epoch: flags.epoch });
        screen.show(summary, ({ entries, blobs, rev, epoch }) => {
          return `${entries} records, ${blobs} blobs, commit ${rev}; the next epoch is ${epoch + 1}\n`;
        });
      }),
    );
}
