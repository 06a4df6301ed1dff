import type { Command } from 'commander';
import { formatDuration } from '../../base/units.ts';
import type { SlaveStatus } from '../../protocol/http.ts';
import type { Bind } from '../call.ts';
import { duration } from '../flags.ts';
import { pairs } from '../run-text.ts';
import { oneLine } from '../sanitise.ts';
import { colourOf } from '../screen.ts';
import type { Screen } from '../screen.ts';
import { formatFields } from '../table.ts';
import type { Column } from '../table.ts';

export function addSlaveList(slave: Command, bind: Bind): void {
  slave
    .command('list')
    .alias('ls')
    .description('list slaves, with what each is and has')
    .addHelpText('after', '\nExamples:\n  runyard slave list\n  runyard slave list -o jsonl')
    .action(
      bind(async ({ client, host, screen }) => {
        const columns = slaveColumns(screen, host.clock.wall());
        screen.list(await client().listSlaves(), columns, 'no slaves');
      }),
    );
}

export function addSlaveShow(slave: Command, bind: Bind): void {
  slave
    .command('show')
    .description('show slaves')
    .argument('<name...>', 'slaves')
    .addHelpText('after', '\nExamples:\n  runyard slave show rack-3')
    .action(
      bind(async ({ args, client, screen }) => {
        const slaves: SlaveStatus[] = [];
        for (const name of args) slaves.push(await client().getSlave(name));
        screen.showAll(
          slaves,
          (one) => `${one === slaves[0] ? '' : '\n'}${slaveText(one, screen)}`,
        );
      }),
    );
}

export function addDrain(slave: Command, bind: Bind): void {
  slave
    .command('drain')
    .description('give a slave nothing more; what runs there goes on')
    .argument('<name...>', 'slaves')
    .requiredOption('--note <text>', 'why, for those who wonder')
    .option('--for <duration>', 'how long (default: until resumed)', duration)
    .addHelpText('after', '\nExamples:\n  runyard slave drain rack-3 --note "new kernel" --for 2h')
    .action(
      bind<{ note: string; for?: number }>(async ({ args, flags, client, screen }) => {
        const forMs = flags.for === undefined ? {} : { forMs: flags.for };
        const slaves: SlaveStatus[] = [];
        for (const name of args) {
          slaves.push(await client().drainSlave(name, { note: flags.note, ...forMs }));
        }
        screen.showAll(slaves, (one) => `${one.name} ${one.state} ${drainText(one)}\n`);
      }),
    );
}

export function addResume(slave: Command, bind: Bind): void {
  slave
    .command('resume')
    .description('give slaves work again')
    .argument('<name...>', 'slaves')
    .addHelpText('after', '\nExamples:\n  runyard slave resume rack-3')
    .action(
      bind(async ({ args, client, screen }) => {
        const slaves: SlaveStatus[] = [];
        for (const name of args) slaves.push(await client().resumeSlave(name));
        screen.showAll(slaves, (one) => `${one.name} ${one.state}\n`);
      }),
    );
}

function slaveColumns({ paint }: Screen, wallMs: number): Column<SlaveStatus>[] {
  return [
    { title: 'SLAVE', text: ({ name }) => name },
    {
      title: 'STATE',
      text: ({ state }) => state,
      paint: (cell, { state }) => paint(colourOf(state), cell),
    },
    { title: 'ARCH', text: ({ arch }) => arch },
    { title: 'USED', text: ({ used, slots }) => `${used}/${slots}`, align: 'right' },
    {
      title: 'SEEN',
      text: ({ seenAt }) =>
        seenAt === undefined
          ? ''
          : `${formatDuration(Math.max(0, wallMs - Date.parse(seenAt)))} ago`,
      align: 'right',
    },
    { title: 'LABELS', text: ({ labels }) => pairs(labels) },
    { title: 'NOTE', text: (slave) => drainText(slave) || (slave.whyGone ?? '') },
  ];
}

function drainText({ drain }: SlaveStatus): string {
  if (!drain) return '';
  const until = drain.until === undefined ? 'until resumed' : `until ${drain.until}`;
  return oneLine(`draining ${until}, by ${drain.by}: ${drain.note}`);
}

function slaveText(slave: SlaveStatus, { paint }: Screen): string {
  const { name, state, arch, used, slots, runs, version, host, losses, seenAt } = slave;
  return formatFields([
    ['slave', oneLine(name)],
    ['state', paint(colourOf(state), state)],
    ['drain', drainText(slave)],
    ['why gone', slave.whyGone && oneLine(slave.whyGone)],
    ['arch', oneLine(arch)],
    ['labels', oneLine(pairs(slave.labels))],
    ['resources', oneLine(pairs(slave.resources))],
    ['isolation', oneLine(slave.isolations.join(' '))],
    ['slots', `${used} of ${slots} used`],
    ['runs', runs.join(' ')],
    ['host', oneLine(host)],
    ['version', oneLine(version)],
    ['losses', losses === 0 ? undefined : String(losses)],
    ['seen', seenAt],
  ]);
}
