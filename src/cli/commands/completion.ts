import { Argument } from 'commander';
import type { Command } from 'commander';
import type { Bind } from '../call.ts';
import type { Kind } from './complete.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const EXAMPLES = `
Examples:
  source <(runyard completion bash)
  runyard completion zsh > "\${fpath[1]}/_runyard"
  runyard completion fish > ~/.config/fish/completions/runyard.fish`;

export function addCompletion(parent: Command, bind: Bind): void {
  parent
    .command('completion')
    .description('print a script that completes commands and flags in a shell')
    .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
    .addHelpText('after', EXAMPLES)
    .action(
      bind(async ({ args, screen }) => {
        screen.print(SCRIPTS[args[0] as Shell](tableOf(parent)));
      }),
    );
}

/** What may come after each path of words: `run list` → its flags, and what a master knows. */
type Table = Map<string, Next>;

interface Next {
  words: string[];
  kind: Kind | undefined;
}

/** By what the arguments of verbs are said to be. */
const KIND_OF: Record<string, Kind> = { runs: 'runs', 'a run': 'runs', slaves: 'slaves' };
/** Of these only what is not done makes sense. */
const OF_LIVE = ['run abort', 'run hold', 'run release'];
/** Flags whose values a master knows. */
const FLAGS: Record<string, Kind> = {
  '--slave': 'slaves',
  '--after': 'runs',
  '--before': 'runs',
  '--run': 'runs',
};

function tableOf(root: Command): Table {
  const table: Table = new Map();
  const common = root.options.map(({ long }) => long!);
  const add = (command: Command, path: readonly string[]) => {
    const shown = command.createHelp().visibleCommands(command);
    const flags = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long!);
    const words = shown.map((child) => child.name());
    const all = [...new Set([...words, ...flags, ...common, '--help'])];
    const [argument] = command.registeredArguments;
    const kind = OF_LIVE.includes(path.join(' '))
      ? 'live-runs'
      : KIND_OF[argument?.description ?? ''];
    table.set(path.join(' '), { words: all, kind });
    for (const child of command.commands) {
      if (words.includes(child.name())) add(child, [...path, child.name()]);
    }
  };
  add(root, []);
  return table;
}

const SCRIPTS: Record<Shell, (table: Table) => string> = {
  bash: (table) => `_runyard() {
  local path='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    [[ $word == -- ]] && return
${cases(table, '    ')}
  done
  local names='' kind='' flag given from=() start="\${COMP_WORDS[COMP_CWORD]}"
  case "$path" in
${answers(table)}
  esac
  case "\${COMP_WORDS[COMP_CWORD - 1]}" in
${values()}
  esac
  if [[ $kind && $start != -* ]]; then
    for flag in --server --token-file; do
      given="($flag)[= ]([^ ]+)"
      [[ \${COMP_LINE-} =~ $given ]] && from+=("\${BASH_REMATCH[@]:1}")
    done
    names+=" $("\${COMP_WORDS[0]}" complete "\${from[@]}" "$kind" "$start" 2>/dev/null)"
  fi
  COMPREPLY=($(compgen -W "$names" -- "$start"))
}
complete -o default -F _runyard runyard
`,
  zsh: (table) => `#compdef runyard
_runyard() {
  local path_='' word i names='' kind='' flag given start="\${words[CURRENT]}" line="$words"
  local -a from match
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    [[ $word == -- ]] && return
${cases(table, '    ').replaceAll('path', 'path_')}
  done
  case "$path_" in
${answers(table)}
  esac
  case "\${words[CURRENT - 1]}" in
${values()}
  esac
  if [[ -n $kind && $start != -* ]]; then
    for flag in --server --token-file; do
      given="($flag)[= ]([^ ]+)"
      [[ $line =~ $given ]] && from+=("\${match[@]}")
    done
    names+=" $("\${words[1]}" complete "\${from[@]}" "$kind" "$start" 2>/dev/null)"
  fi
  compadd -- \${=names}
  _files
}
compdef _runyard runyard
`,
  fish: (table) => `function __runyard_ask
  string match -q -- '-*' (commandline -ct); and return
  set -l words (commandline -opc)
  set -l from
  for flag in --server --token-file
    for at in (seq 2 (count $words))
      switch $words[$at]
        case $flag
          set -a from $flag $words[(math $at + 1)]
        case "$flag=*"
          set -a from $words[$at]
      end
    end
  end
  $words[1] complete $from $argv (commandline -ct) 2>/dev/null
end
${Object.entries(FLAGS)
  .map(([flag, kind]) => `complete -c runyard -l ${flag.slice(2)} -xa '(__runyard_ask ${kind})'\n`)
  .join('')}${[...table].map(([path, next]) => fishLines(table, path, next)).join('')}`,
};

function fishLines(table: Table, path: string, { words, kind }: Next): string {
  const seen = path.split(' ').filter(Boolean);
  const below = [...table.keys()].filter((other) => isBelow(other, path));
  const conditions = seen.map((word) => `__fish_seen_subcommand_from ${word}`);
  if (below.length > 0) {
    const names = below.map((other) => other.split(' ').at(-1)!);
    conditions.push(`not __fish_seen_subcommand_from ${names.join(' ')}`);
  }
  const condition = conditions.length === 0 ? '' : ` -n '${conditions.join('; and ')}'`;
  const start = `complete -c runyard${condition} -a`;
  const asked = kind === undefined ? '' : `${start} '(__runyard_ask ${kind})'\n`;
  return `${start} '${words.join(' ')}'\n${asked}`;
}

function isBelow(other: string, path: string): boolean {
  const words = other.split(' ').filter(Boolean);
  return words.length > 0 && words.slice(0, -1).join(' ') === path;
}

function cases(table: Table, indent: string): string {
  const paths = [...table.keys()].filter((path) => path !== '');
  const steps = paths.map((path) => {
    const words = path.split(' ');
    const above = words.slice(0, -1).join(' ');
    return `${indent}  '${above}/${words.at(-1)}') path='${path}' ;;`;
  });
  return `${indent}case "$path/$word" in\n${steps.join('\n')}\n${indent}esac`;
}

function answers(table: Table): string {
  return [...table]
    .map(([path, { words, kind = '' }]) => {
      return `    '${path}') names='${words.join(' ')}' kind='${kind}' ;;`;
    })
    .join('\n');
}

function values(): string {
  return Object.entries(FLAGS)
    .map(([flag, kind]) => `    ${flag}) names='' kind='${kind}' ;;`)
    .join('\n');
}
