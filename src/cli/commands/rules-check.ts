import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Bind } from '../call.ts';
import { oneLine } from '../sanitise.ts';

const EXAMPLES = `
Examples:
  runyard rules check examples/trigger_rules.yml
  runyard rules check examples/trigger_rules.yml --tasks examples/tasks

No master is asked. Exits with 78 if the rules cannot be used, and says all that is wrong with them.`;

export function addRules(parent: Command, bind: Bind): void {
  const rules = parent
    .command('rules')
    .description('which messages start which tasks')
    .addHelpText('after', EXAMPLES);
  rules
    .command('check')
    .description('say whether a master would take these rules')
    .argument('<file>', 'the rules, as for "master --rules"')
    .option('--tasks <dir>', 'look there for every task that they name')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<{ tasks?: string }>(async ({ args, flags, host, screen }) => {
        const { checkRules } = await import('../../master/main.ts');
        const { cwd } = host;
        const tasks = flags.tasks === undefined ? undefined : resolve(cwd, flags.tasks);
        const checked = checkRules({ rules: resolve(cwd, args[0]!), tasks });
        const { rules: count, tasks: names } = checked;
        screen.show(
          checked,
          () =>
            oneLine(`${count} ${count === 1 ? 'rule' : 'rules'}, tasks: ${names.join(', ')}`) +
            '\n',
        );
      }),
    );
}
