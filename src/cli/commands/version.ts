import type { Command } from 'commander';
import { PROTOCOL, VERSION } from '../../protocol/version.ts';
import type { Bind } from '../call.ts';

const EXAMPLES = `
Examples:
  runyard version
  runyard version -o json`;

export function addVersion(parent: Command, bind: Bind): void {
  parent
    .command('version')
    .description('print the versions of this program, its protocol and Node')
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ screen }) => {
        const versions = { version: VERSION, protocol: PROTOCOL, node: process.versions.node };
        screen.show(
          versions,
          ({ version, protocol, node }) =>
            `runyard ${version}, protocol ${protocol}, node ${node}\n`,
        );
      }),
    );
}
