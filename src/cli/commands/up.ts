import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { Bind, Call } from '../call.ts';
import { untilAsked } from '../daemon.ts';
import { startFamily } from '../family.ts';
import { wholeNumber } from '../flags.ts';
import { addMasterOptions, masterSettings } from '../master-settings.ts';
import type { MasterFlags } from '../master-settings.ts';
import { sanitise } from '../sanitise.ts';

const EXAMPLES = `
Examples:
  runyard up
  runyard up --slaves 4 --port 7171 --state /tmp/yard

Each is a process of its own; its lines begin with its name. SIGTERM or SIGINT: slaves finish what
runs and leave, then the master closes; a second one does not wait for what runs.`;

type Flags = MasterFlags & { slaves: number };

export function addUp(parent: Command, bind: Bind): void {
  const up = parent
    .command('up')
    .description('a master and slaves on this machine')
    .option('--slaves <n>', 'how many', wholeNumber(0, 100), 2);
  addMasterOptions(up).addHelpText('after', EXAMPLES).action(bind<Flags>(perform));
}

async function perform(call: Call<Flags>): Promise<number> {
  const { flags, host, screen } = call;
  const settings = masterSettings(call);
  let status = 0;
  const asked = await untilAsked(host, async () => {
    const family = await startFamily(host, {
      master: masterArguments(call),
      state: settings.state,
      slaves: Array.from({ length: flags.slaves }, (_, index) => ({
        name: `${hostPart()}-${index + 1}`,
        args: ['--log-level', settings.logLevel],
      })),
      needsToken: !isLoopback(settings.host),
      onLine: (label, line, stream) =>
        host[stream].print(`${label.padEnd(8)} | ${sanitise(line)}\n`),
    });
    if ('status' in family) {
      status = family.status;
      return { done: Promise.resolve(), leave: async () => {}, force: async () => {} };
    }
    screen.print(
      `runyard up at ${family.url} with ${flags.slaves} ${flags.slaves === 1 ? 'slave' : 'slaves'}\n`,
    );
    const done = family.ended.then(async ({ child, status: ended }) => {
      status = ended || 70;
      screen.tell(`${child.label} ended with ${ended}: all others are ended, too`);
      await family.force();
    });
    return { done, leave: family.leave, force: family.force };
  });
  return status || asked;
}

/** What was given here, to be given on: the environment is the children's, too. */
export function masterArguments({ command }: Pick<Call, 'command'>): string[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    if (name === 'slaves' || command.getOptionValueSource(name) !== 'cli') return [];
    const value: unknown = command.getOptionValue(name);
    if (value === true) return [option.long!];
    return [option.long!, name === 'lease' ? `${String(value)}ms` : String(value)];
  });
}

/** The host's name, as far as a slave may be called so. */
function hostPart(): string {
  return hostname()
    .replaceAll(/[^A-Za-z0-9_-]/g, '-')
    .slice(0, 50);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
