import { Option } from 'commander';
import type { Command } from 'commander';
import { nearest } from '../../base/errors.ts';
import { makeLog } from '../../base/log.ts';
import { findToken, serverUrl, usageError } from '../call.ts';
import type { Bind, Call } from '../call.ts';
import { untilAsked } from '../daemon.ts';
import { amount, duration, pair, wholeNumber } from '../flags.ts';
import { LOG_LEVELS } from '../log-levels.ts';
import type { LogLevel } from '../log-levels.ts';
import { addDrain, addResume, addSlaveList, addSlaveShow } from './slave-list.ts';

const EXAMPLES = `
Examples:
  runyard slave --master http://127.0.0.1:7070
  runyard slave --master https://yard.example.org:7070 --name rack-3 --slots 8 \\
    --label disk=ssd --resource gpus=2 --token-file enrol.token
  runyard slave list -o json
  runyard slave drain rack-3 --note "new kernel" --for 2h

Signals:
  SIGTERM, SIGINT   take nothing more, finish what runs, leave
  a second one      leave now; tasks that run go on, and the next slave here takes them up again`;

interface Flags {
  master: string;
  name?: string;
  arch?: string;
  label?: Record<string, string>;
  resource?: Record<string, number>;
  slots?: number;
  workDir?: string;
  drainTimeout: number;
  allowGitFile?: true;
  logLevel: LogLevel;
}

export function addSlave(parent: Command, bind: Bind): void {
  const slave = parent
    .command('slave')
    .description('be a slave: connect to a master and run what it gives; or see slaves')
    .usage('[options] | list|show|drain|resume [NAME]')
    .allowExcessArguments()
    .option('--master <url>', 'whom to connect to', 'http://127.0.0.1:7070')
    .option('--name <name>', "what the master calls it (default: the host's name)")
    .option('--arch <arch>', "architecture that it runs tasks for (default: the machine's)")
    .option('--label <k=v>', 'what it is, for runs that ask for it; again and again', pair)
    .option('--resource <k=n>', 'what it has; cpus and memoryMb it knows itself', amount)
    .option('--slots <n>', 'runs at a time (default: processors)', wholeNumber(1, 256))
    .option('--work-dir <dir>', 'where tasks work (default: ./work/NAME)')
    .addOption(new Option('--executor <executor>', 'how tasks run').choices(['os']).default('os'))
    .option('--drain-timeout <d>', 'how long to wait for what runs when told to go', duration, HOUR)
    .option('--allow-git-file', 'take bundles from git repositories on this machine, too')
    .addOption(logLevelOption())
    .addHelpText('after', EXAMPLES)
    .action(bind<Flags>(beSlave));
  for (const add of [addSlaveList, addSlaveShow, addDrain, addResume]) add(slave, bind);
}

const HOUR = 3_600_000;

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'how much is logged to standard error')
    .choices(LOG_LEVELS)
    .default('info');
}

async function beSlave({ args, flags, host, screen }: Call<Flags>): Promise<number> {
  const [verb] = args;
  if (verb !== undefined) {
    const near = nearest(verb, ['list', 'show', 'drain', 'resume']);
    throw usageError(`unknown command '${verb}'`, near && `did you mean ${near}?`);
  }
  const { startSlave } = await import('../../slave/main.ts');
  const master = serverUrl(flags.master);
  return untilAsked(host, async () => {
    const slave = await startSlave({
      master,
      name: flags.name,
      arch: flags.arch,
      labels: flags.label,
      resources: flags.resource,
      slots: flags.slots,
      workDir: flags.workDir,
      token: findToken(flags, host),
      allowGitFile: flags.allowGitFile,
      log: makeLog(flags.logLevel),
    });
    screen.print(`slave ${slave.name} (${slave.arch}, ${slave.slots} slots) for ${master}\n`);
    return {
      done: slave.done,
      leave: (signal) => slave.drain(`got ${signal}`, flags.drainTimeout),
      force: () => slave.close(),
    };
  });
}
