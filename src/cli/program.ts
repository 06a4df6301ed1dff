/** `runyard`: the command line as a whole. */
import { Command, CommanderError, Option } from 'commander';
import { exitCodeOf, isYardError } from '../base/errors.ts';
import { VERSION } from '../protocol/version.ts';
import { makeBind } from './call.ts';
import { addComplete } from './commands/complete.ts';
import { addCompletion } from './commands/completion.ts';
import { addDemo } from './commands/demo.ts';
import { addBackup, addRestore } from './commands/backup.ts';
import { addFsck } from './commands/fsck.ts';
import { addInspect } from './commands/inspect.ts';
import { addMaster } from './commands/master.ts';
import { addRules } from './commands/rules-check.ts';
import { addRun } from './commands/run.ts';
import { addSlave } from './commands/slave.ts';
import { addSubmit } from './commands/submit.ts';
import { addToken } from './commands/token.ts';
import { addTop } from './commands/top.ts';
import { addTrigger } from './commands/trigger-send.ts';
import { addUp } from './commands/up.ts';
import { addVersion } from './commands/version.ts';
import { addWatch } from './commands/watch.ts';
import { addWhy } from './commands/why.ts';
import type { CliHost } from './host.ts';
import { sanitise } from './sanitise.ts';
import { FORMATS } from './screen.ts';

const DEFAULT_SERVER = 'http://127.0.0.1:7070';

const HELP = `
Exit status:
  0          done; with --wait or --follow: the run ended with exit code 0
  1..        with --wait, --follow, run wait: the task's own code, 128+n for signal n
  124        the run timed out
  125        the run FAILED: its mechanism did, or its slaves were lost
  130        the run was aborted, or you stopped waiting for it
  64         wrong flags or arguments
  65         the master cannot do that: unknown run, wrong state, unusable data
  66         there is no state directory of that name
  69, 75     the master cannot be reached; busy, try again
  77         not allowed: token missing, invalid, or without the scope
  70, 73, 76, 78   a bug; no room or no right to write; another protocol; configuration

Environment:
  RUNYARD_SERVER   the master (default ${DEFAULT_SERVER})
  RUNYARD_TOKEN    a token; RUNYARD_TOKEN_FILE names a file that holds one
  RUNYARD_<FLAG>   any flag: RUNYARD_QUEUE_TIMEOUT=10m; the command line wins. Inside a task only
                   RUNYARD_SERVER, RUNYARD_TOKEN, RUNYARD_TOKEN_FILE and RUNYARD_OUTPUT are read
  NO_COLOR, TERM=dumb   no colours; there are none beside a terminal either

Runs are named by their id, by the start of one if no other run's id starts so, or by "last".

Examples:
  runyard up --slaves 2                            a master and two slaves on this machine
  runyard submit --follow -- make test             run a command, see what it writes
  runyard submit --task examples/tasks/upstream-atomic --item IMAGE_URL --type compose
  runyard run list --state PENDING,RUNNING -o json
  runyard why last                                 why a run does not start
  runyard top                                      slaves, runs and their output, on one screen`;

/** Runs the program with these arguments; resolves with its exit status. */
export async function runyard(argv: readonly string[], host: CliHost): Promise<number> {
  let status = 0;
  const program = makeProgram(host, (ended) => (status = ended));
  try {
    await program.parseAsync(argv, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 64;
    if (!isYardError(error)) throw error;
    host.stderr.print(`${sanitise(error.message).trimEnd()}\n`);
    return exitCodeOf(error.code);
  }
}

export function makeProgram(host: CliHost, onExit: (status: number) => void): Command {
  const program = new Command('runyard')
    .description('Runs tasks on machines: a durable master, its slaves, and all that they ran.')
    .version(VERSION, '-V, --version', 'print the version')
    .addOption(
      new Option('-o, --output <format>', 'how answers are printed')
        .choices(FORMATS)
        .default('table'),
    )
    .option('--server <url>', 'the master', DEFAULT_SERVER)
    .option('--token-file <file>', 'holds the token that the master asks for')
    .option('--no-color', 'no colours')
    .addHelpText('after', HELP)
    .helpCommand('help [command]', 'show help of a command')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions })
    .configureOutput({
      writeOut: host.stdout.print,
      writeErr: host.stderr.print,
      getOutHelpWidth: () => helpWidth(host.stdout.columns),
      getErrHelpWidth: () => helpWidth(host.stderr.columns),
      outputError: (text, write) => write(errorText(text)),
    });
  const bind = makeBind(host, onExit);
  for (const add of [addMaster, addSlave, addUp, addSubmit, addRun, addWhy]) add(program, bind);
  for (const add of [addTop, addWatch, addInspect]) add(program, bind);
  for (const add of [
    addToken,
    addTrigger,
    addRules,
    addFsck,
    addBackup,
    addRestore,
    addVersion,
    addCompletion,
    addComplete,
    addDemo,
  ])
    add(program, bind);
  showUsageAfterErrors(program, '');
  return program;
}

/** `error: unknown option '--prot'\n(Did you mean --port?)` in the form of all our errors. */
function errorText(text: string): string {
  const line = sanitise(text)
    .trim()
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*?)\?\)$/s, ', did you mean $1?');
  return `input.usage: ${line}\n`;
}

/** Flags of the program alone: a slave's own are nothing to `slave list`. */
function visibleGlobalOptions(command: Command): Option[] {
  let root = command;
  while (root.parent) root = root.parent;
  if (root === command) return [];
  return root.options.filter(({ hidden, long }) => !hidden && long !== '--version');
}

function helpWidth(columns: number): number {
  return Number.isFinite(columns) ? Math.min(columns, 110) : 100;
}

function showUsageAfterErrors(command: Command, above: string): void {
  const path = `${above}${command.name()}`;
  const usage = `usage: ${path} ${command.usage()}`;
  command.showHelpAfterError(`${usage}\nsee "${path} --help"`);
  for (const child of command.commands) showUsageAfterErrors(child, `${path} `);
}
