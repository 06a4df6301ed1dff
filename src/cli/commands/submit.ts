import { Option } from 'commander';
import type { Command } from 'commander';
import { ISOLATIONS } from '../../protocol/run.ts';
import type { Isolation, RunRequestInput } from '../../protocol/run.ts';
import { usageError } from '../call.ts';
import type { Bind, Call } from '../call.ts';
import { exitStatusOf } from '../exit-status.ts';
import { amount, duration, pair, several, wholeNumber, wholeNumbers } from '../flags.ts';
import { findRunIds } from '../select.ts';
import { packNamed, taskOf } from '../task-source.ts';
import { followRun, waitForRun } from '../wait.ts';
import { makeSink, tellEnd, untilStopped } from '../watching.ts';

const EXAMPLES = `
Examples:
  runyard submit -- echo hello
  runyard submit --follow --bundle . --timeout 10m -- make check
  id=$(runyard submit --arch aarch64 --label disk=ssd --retries 2 -- ./build.sh)
  runyard submit --wait --after "$id" -- ./publish.sh || echo "ended with $?"
  runyard submit --task examples/tasks/upstream-atomic --item IMAGE_URL --type compose --follow
  runyard submit --task https://example.org/tasks.git@COMMIT --item foo-1.0-1 --type koji_build

Prints the run's id. With --wait or --follow it exits as the run did: its own code, 128+n for
signal n, 124 timed out, 125 FAILED, 130 aborted. Ctrl-C stops the waiting, not the run.`;

interface Flags {
  arch?: string;
  label?: Record<string, string>;
  env?: Record<string, string>;
  resource?: Record<string, number>;
  timeout?: number;
  queueTimeout?: number;
  outputTimeout?: number;
  grace?: number;
  retries?: number;
  retryExitCodes?: number[];
  priority?: number;
  key?: string;
  name?: string;
  bundle?: string;
  isolation?: Isolation;
  exclusive?: true;
  hold?: true;
  after?: readonly string[];
  task?: string;
  item?: string;
  type?: string;
  wait?: true;
  follow?: true;
}

export function addSubmit(parent: Command, bind: Bind): void {
  const submit = parent
    .command('submit')
    .description('request a run: a command, or a task on an item')
    .usage('[options] -- ARGV... | --task TASK --item ITEM --type TYPE [options]')
    .argument('[argv...]', 'the command, after --');
  whatOptions(submit);
  howOptions(submit);
  submit
    .option('--wait', 'wait until it is done, and exit as it did')
    .option('--follow', 'print what it writes as it comes, and exit as it did')
    .addHelpText('after', EXAMPLES)
    .action(bind<Flags>(perform));
}

function whatOptions(submit: Command): void {
  submit
    .option('--task <task>', 'a directory, a formula or GIT_URL@COMMIT')
    .option('--item <item>', 'what to run the task on')
    .option('--type <type>', 'type of the item: compose, koji_build, any word')
    .option('--bundle <dir|id>', 'what the command finds where it starts; a directory is packed')
    .option('--env <k=v>', 'variables of the command; again and again', pair)
    .option('--name <name>', 'what people call the run')
    .option('--key <key>', 'submitting again with the same key gives the same run');
}

function howOptions(submit: Command): void {
  submit
    .option('--arch <arch>', 'only on slaves of this architecture')
    .option('--label <k=v>', 'only on slaves with this label; again and again', pair)
    .option('--resource <k=n>', 'what it needs of the slave, as cpus=2; again and again', amount)
    .addOption(new Option('--isolation <how>', 'what it runs in').choices(ISOLATIONS))
    .option(
      '--exclusive',
      'never runs twice at once: it is killed before its slave is given up for lost',
    )
    .option('--timeout <d>', 'at most so long, from the start of its preparation', duration)
    .option('--queue-timeout <d>', 'wait at most so long for a slave', duration)
    .option('--output-timeout <d>', 'at most so long without output', duration)
    .option('--grace <d>', 'from SIGTERM to SIGKILL (default: 10s)', duration)
    .option('--retries <n>', 'try again so often if it fails', wholeNumber(0, 100))
    .option('--retry-exit-codes <n,...>', 'only for these exit codes', wholeNumbers(0, 255))
    .option('--priority <n>', 'more is sooner (default: 0)', wholeNumber(-100, 100))
    .option('--after <id>', 'only once this run ended well; again and again', several)
    .option('--hold', 'do not start it before "run release"');
}

async function perform(call: Call<Flags>): Promise<number> {
  const { flags, host, screen } = call;
  const client = call.client();
  const request = await requestOf(call);
  const made = await client.submit(request);
  const { runId } = made;
  if (!flags.wait && !flags.follow) {
    screen.show(made, () => `${runId}\n`);
    return 0;
  }
  screen.say(`run ${runId}${made.created ? '' : ' (submitted before with this key)'}`);
  return untilStopped(call, [runId], async (waiting) => {
    if (!flags.follow) {
      const run = await waitForRun(runId, waiting);
      if (screen.format !== 'table') screen.show(run, () => '');
      tellEnd(call, run);
      return exitStatusOf(run);
    }
    const stdout = makeSink(call, host.stdout, false);
    const stderr = makeSink(call, host.stderr, false);
    const run = await followRun(runId, { stdout: stdout.sink, stderr: stderr.sink }, waiting);
    stdout.end();
    stderr.end();
    tellEnd(call, run);
    return exitStatusOf(run);
  });
}

async function requestOf(call: Call<Flags>): Promise<RunRequestInput> {
  const { args, flags, host } = call;
  checkCombination(call);
  const client = call.client();
  const task =
    flags.task === undefined
      ? { argv: [...args] }
      : await taskOf(flags.task, { item: flags.item!, itemType: flags.type! }, client, host);
  const bundle =
    flags.bundle === undefined ? undefined : await packNamed(flags.bundle, client, host);
  const { retryExitCodes: exitCodes, after } = flags;
  const request: { [K in keyof RunRequestInput]?: RunRequestInput[K] | undefined } = {
    ...task,
    bundle: 'bundle' in task ? task.bundle : bundle,
    name: flags.name ?? ('name' in task ? task.name : undefined),
    env: flags.env,
    arch: flags.arch,
    labels: flags.label,
    resources: flags.resource,
    isolation: flags.isolation,
    exclusive: flags.exclusive,
    timeoutMs: flags.timeout,
    queueTimeoutMs: flags.queueTimeout,
    outputTimeoutMs: flags.outputTimeout,
    graceMs: flags.grace,
    retries: flags.retries,
    retry: exitCodes && { exitCodes },
    priority: flags.priority,
    key: flags.key,
    held: flags.hold,
    after: after && (await findRunIds(client, after)),
  };
  const given = Object.entries(request).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as RunRequestInput;
}

function checkCombination({ args, flags }: Call<Flags>): void {
  const { task, item, type, bundle, retries, retryExitCodes } = flags;
  if (task === undefined) {
    if (args.length === 0) {
      throw usageError('nothing to run', 'give a command after --, or --task');
    }
    if (item !== undefined || type !== undefined) {
      throw usageError('--item and --type belong to --task');
    }
  } else {
    if (args.length > 0) throw usageError('give either a command or --task');
    if (bundle !== undefined) throw usageError('--task brings its own bundle', 'drop --bundle');
    if (item === undefined || type === undefined) {
      throw usageError('--task needs an item', 'give --item and --type');
    }
  }
  if (retryExitCodes !== undefined && retries === undefined) {
    throw usageError('--retry-exit-codes without --retries', 'say how often to try again');
  }
}
