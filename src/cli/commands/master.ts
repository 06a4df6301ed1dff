import type { Command } from 'commander';
import { makeLog } from '../../base/log.ts';
import { VERSION } from '../../protocol/version.ts';
import { packBundle } from '../../task/bundle/pack.ts';
import type { Bind, Call } from '../call.ts';
import { untilAsked } from '../daemon.ts';
import { addMasterOptions, masterSettings } from '../master-settings.ts';
import type { MasterFlags } from '../master-settings.ts';

const EXAMPLES = `
Examples:
  runyard master
  runyard master --state /var/lib/runyard --config /etc/runyard/master.yml
  runyard master --rules examples/trigger_rules.yml --tasks examples/tasks
  runyard master --host 0.0.0.0 --tls-cert yard.pem --tls-key yard.key

It prints where it listens once it does. Beyond loopback it asks for tokens: the first is in
STATE/admin.token, and more are made with "runyard token create".

Signals:
  SIGTERM, SIGINT   close: what was accepted is on disk, slaves go on and come back
  a second one      end now`;

export function addMaster(parent: Command, bind: Bind): void {
  const master = parent
    .command('master')
    .description('be the master: hold all runs, give them to slaves, answer everybody');
  addMasterOptions(master).addHelpText('after', EXAMPLES).action(bind<MasterFlags>(beMaster));
}

async function beMaster(call: Call<MasterFlags>): Promise<number> {
  const settings = masterSettings(call);
  const { keepMaster } = await import('../../master/main.ts');
  const { logLevel, lease, ...options } = settings;
  return untilAsked(call.host, async () => {
    const master = await keepMaster({
      ...options,
      leaseMs: lease,
      packTask: (directory) => packBundle(directory),
      log: makeLog(logLevel),
    });
    call.screen.print(`runyard ${VERSION} master at ${master.url}, state in ${settings.state}\n`);
    return { done: master.done, leave: () => master.close(), force: async () => {} };
  });
}
