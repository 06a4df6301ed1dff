import type { Command } from 'commander';
import type { Bind, Call } from '../call.ts';
import { startBridge } from '../bridge.ts';
import { safeJson } from '../sanitise.ts';
import { findRunId } from '../select.ts';

const EXAMPLES = `
Examples:
  runyard inspect last
  runyard inspect last | jq -r 'select(.snapshot) | .snapshot.value'
  runyard inspect 01kq3s0c --stately

Prints a line of JSON for each frame of the protocol of @statelyai/inspect, its past first, until
the run is done. --stately serves a page on this machine that shows them in the Stately Inspector,
wherever the master is, until Ctrl-C.`;

interface Flags {
  stately?: true;
}

export function addInspect(parent: Command, bind: Bind): void {
  parent
    .command('inspect')
    .description("print what happens to a run's machine, or show it in the Stately Inspector")
    .argument('<id>', 'a run')
    .option('--stately', 'serve a page for the Stately Inspector on this machine')
    .addHelpText('after', EXAMPLES)
    .action(
      bind<Flags>(async (call) => {
        const runId = await findRunId(call.client(), call.args[0]!);
        await call.client().getRun(runId);
        return call.flags.stately ? serve(call, runId) : print(call, runId);
      }),
    );
}

async function print<Flags>({ client, host, screen }: Call<Flags>, runId: string): Promise<void> {
  const given = new AbortController();
  const stopListening = host.onStop(() => given.abort());
  try {
    for await (const frame of client().inspect({ run: runId }, given.signal)) {
      const told = JSON.parse(frame) as Told;
      screen.print(`${safeJson(told)}\n`);
      if (told.sessionId === `run/${runId}` && told.snapshot?.status === 'done') return;
    }
  } finally {
    given.abort();
    stopListening();
  }
}

interface Told {
  sessionId: string;
  snapshot?: { status: string };
}

async function serve<Flags>(call: Call<Flags>, runId: string): Promise<void> {
  const { host, screen, flags } = call;
  const client = call.client();
  const bridge = await startBridge({
    master: flags.server,
    runId,
    frames: (signal) => client.inspect({ run: runId }, signal),
  });
  screen.print(`${bridge.url}\n`);
  screen.say('open this address in a browser; Ctrl-C ends it');
  await new Promise<void>((resolve) => {
    host.onStop(() => resolve());
  });
  await bridge.close();
}
