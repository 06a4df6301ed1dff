import type { ProcessSpec } from '../ports.ts';
import { BWRAP_FLAGS, type Machine } from './machine.ts';

/** Sent to a lane once, before its first task. */
export function prologue(lane: string, seesOrphans: boolean): string {
  // The traps keep the lane alive when its group is told to end; a subshell loses them.
  return `exec 2>&1;trap : TERM INT HUP;${MARK}
runyard_lane=${quoteWord(lane)};runyard_children=/proc/$$/task/$$/children
runyard_report() { c=;${seesOrphans ? 'read c <"$runyard_children";' : ''}echo "$1 $e $c"; }
`;
}

/** Runs when a subshell ends by itself, which it does only if it never became the task. */
const MARK = 'runyard_mark() { echo "unstartable $1" >>"$runyard_exit"; }';

/**
 * One task as shell text. The exit file is the lane's own stdout and stderr while it waits, so
 * that what the shell says of a child killed by a signal is kept there, before the exit status. It
 * is added to: the directory may have served other attempts.
 */
export function taskText(
  spec: ProcessSpec,
  machine: Machine,
  { exitFile, group }: { exitFile: string; group: string | undefined },
  ticket: number,
): string {
  const body =
    spec.isolation === 'bwrap' ? sandboxed(spec, machine, exitFile) : plain(spec, machine);
  const how = [spec.key, spec.isolation, ...(group === undefined ? [] : [group])].join(' ');
  return (
    `runyard_exit=${quoteWord(exitFile)};e=none;` +
    `{ echo "$runyard_lane "${quoteWord(how)};(${joining(group)}${body});e=$?;echo "exit $e";}` +
    `>>"$runyard_exit" 2>&1;runyard_report ${ticket}\n`
  );
}

/** The subshell goes into the group itself, before it becomes the task. */
function joining(group: string | undefined): string {
  if (group === undefined) return '';
  return `echo 0 >${quoteWord(`${group}/cgroup.procs`)}||{ runyard_mark 126;exit 126;};`;
}

/** Why no shell text can say this, or undefined. */
export function whyUnstartable(spec: ProcessSpec, machine: Machine): string | undefined {
  const { argv, env, cwd, stdout, stderr } = spec;
  if (!argv[0]) return 'could not exec: argv is empty';
  if (argv.some(holdsNul)) return 'could not exec: an argument holds a NUL byte';
  if ([cwd, stdout, stderr].some(holdsNul)) return 'could not exec: a path holds a NUL byte';
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('=') || holdsNul(name)) {
      return `could not exec: ${JSON.stringify(name)} cannot name an environment variable`;
    }
    if (holdsNul(value)) return `could not exec: the value of ${name} holds a NUL byte`;
  }
  if (spec.isolation !== 'none' && !machine[spec.isolation])
    return `could not exec: ${spec.isolation} does not work here`;
  return undefined;
}

function plain(spec: ProcessSpec, machine: Machine): string {
  let exports = '';
  const oddPairs: [string, string][] = [];
  for (const pair of Object.entries(spec.env)) {
    if (isExportable(pair[0])) exports += ` ${pair[0]}=${quoteWord(pair[1])}`;
    else oddPairs.push(pair);
  }
  const program = quoteWord(spec.argv[0]!);
  let command = 'exec';
  if (oddPairs.length > 0 || spec.argv[0]!.startsWith('-')) {
    const odd = oddPairs.map(([name, value]) => quoteWord(`${name}=${value}`)).join(' ');
    // env would turn a program that is not there into an exit status of its own.
    command = `command -v -- ${program} >/dev/null||exit 127;exec ${machine.env} -- ${odd}`;
  }
  return (
    `trap 'runyard_mark $?' EXIT;cd ${quoteWord(spec.cwd)}||exit 126;unset PWD OLDPWD;` +
    `${exports && `export${exports};`}${command} ${spec.argv.map(quoteWord).join(' ')} ` +
    `</dev/null >>${quoteWord(spec.stdout)} 2>>${quoteWord(spec.stderr)}`
  );
}

/**
 * A shell inside waits for the task, so that signals and failures to start are told apart there
 * as they are outside; bwrap itself would turn both into exit statuses. What it is to do comes by
 * its environment: arguments can be read by all users of the machine.
 */
function sandboxed(spec: ProcessSpec, machine: Machine, exitFile: string): string {
  const inner =
    `unset runyard_text;trap : TERM INT HUP;${MARK};runyard_exit=${quoteWord(exitFile)}\n` +
    `(${plain(spec, machine)})\nexit $?`;
  const evaluate = 'eval "$runyard_text"';
  const words = [machine.bwrap!, ...BWRAP_FLAGS, '--', machine.shell, '-c', evaluate];
  return (
    `trap 'runyard_mark $?' EXIT;export runyard_text=${quoteWord(inner)};` +
    `exec ${words.map(quoteWord).join(' ')} </dev/null`
  );
}

/** Names to which shells give a meaning of their own, or that the text above needs. */
const SPECIAL =
  /^(?:_|BASH.*|COMP_.*|EUID|FUNC.*|GROUPS|HIST.*|IFS|LINENO|MAIL.*|OLDPWD|OPT.*|POSIXLY_CORRECT|PPID|PS\d|PWD|RANDOM|SECONDS|SHELLOPTS|SHLVL|UID|EPOCH.*|SRANDOM|DIRSTACK|ATTY|runyard_.*)$/;

function isExportable(name: string): boolean {
  let found = exportable.get(name);
  if (found === undefined) {
    found = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SPECIAL.test(name);
    if (exportable.size < NAMES_MAX) exportable.set(name, found);
  }
  return found;
}

/** Nearly all tasks have the same names. */
const exportable = new Map<string, boolean>();
const NAMES_MAX = 1000;

/** One word of shell text that stands for exactly `text`. */
export function quoteWord(text: string): string {
  return `'${text.includes("'") ? text.replaceAll("'", `'\\''`) : text}'`;
}

function holdsNul(text: string): boolean {
  return text.includes('\0');
}
