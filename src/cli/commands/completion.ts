import { Argument } from 'commander';
import type { Command } from 'commander';
import type { Bind } from '../call.ts';

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

/** What may come after each path of words: `run list` → its flags. */
type Table = Map<string, string[]>;

function tableOf(root: Command): Table {
  const table: Table = new Map();
  const common = root.options.map(({ long }) => long!);
  const add = (command: Command, path: readonly string[]) => {
    const shown = command.createHelp().visibleCommands(command);
    const flags = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long!);
    const words = shown.map((child) => child.name());
    table.set(path.join(' '), [...new Set([...words, ...flags, ...common, '--help'])]);
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
  local words=''
  case "$path" in
${answers(table)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _runyard runyard
`,
  zsh: (table) => `#compdef runyard
_runyard() {
  local path_='' word i words_=''
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    [[ $word == -- ]] && return
${cases(table, '    ').replaceAll('path', 'path_')}
  done
  case "$path_" in
${answers(table).replaceAll('words=', 'words_=')}
  esac
  compadd -- \${=words_}
  _files
}
compdef _runyard runyard
`,
  fish: (table) =>
    [...table]
      .map(([path, words]) => {
        const seen = path.split(' ').filter(Boolean);
        const next = [...table.keys()].filter((other) => isBelow(other, path));
        const names = next.map((other) => other.split(' ').at(-1)!);
        const conditions = seen.map((word) => `__fish_seen_subcommand_from ${word}`);
        if (names.length > 0) {
          conditions.push(`not __fish_seen_subcommand_from ${names.join(' ')}`);
        }
        const condition = conditions.length === 0 ? '' : ` -n '${conditions.join('; and ')}'`;
        return `complete -c runyard${condition} -a '${words.join(' ')}'\n`;
      })
      .join(''),
};

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
    .map(([path, words]) => `    '${path}') words='${words.join(' ')}' ;;`)
    .join('\n');
}
