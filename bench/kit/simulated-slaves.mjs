/**
 * Slaves that run nothing: over real sockets, each task is begun and ended in one frame. As a real
 * slave, they send no `accept` for a task without a bundle: that it executes says as much.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [dist, url, prefix, count, slots] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { connectToMaster } = await load('slave/socket.js');
const { toSlave } = await load('protocol/to-slave.js');
const { PROTOCOL, PROTOCOL_MIN, VERSION } = await load('protocol/version.js');
const { systemClock } = await load('base/clock.js');
const { silentLog } = await load('base/log.js');

const EMPTY = { bytes: 0, sha256: createHash('sha256').digest('hex'), droppedBytes: 0 };
const OUTPUTS = { stdout: EMPTY, stderr: EMPTY, combined: EMPTY };
const ENDING = { kind: 'exited', code: 0 };

async function beSlave(name) {
  const address = connectToMaster(url, {
    auth: () => ({}),
    schema: toSlave,
    clock: systemClock,
    log: silentLog,
    counters: new Map(),
  });
  const connection = await address.connect();
  let beat = 0;
  let beating;

  function answer(message, out) {
    if (message.type === 'welcome') {
      beating = setInterval(() => {
        connection.send([{ type: 'heartbeat', beat: ++beat }]);
      }, message.heartbeatMs);
    } else if (message.type === 'assign') {
      const { runId, attempt, token } = message;
      const claim = { runId, attempt, token };
      out.push({ type: 'progress', ...claim, phase: 'executing' });
      const rest = { ending: ENDING, outputs: OUTPUTS, artifacts: [], notes: [] };
      out.push({ type: 'finished', ...claim, ...rest });
    } else if (message.type === 'refuse') throw new Error(message.message);
  }

  connection.onMessages((messages) => {
    const out = [];
    for (const message of messages) answer(message, out);
    if (out.length > 0) connection.send(out);
  });
  connection.onClose((reason) => {
    clearInterval(beating);
    process.exit(reason.startsWith('master.') || reason.startsWith('net.') ? 0 : 1);
  });
  connection.send([
    {
      type: 'hello',
      name,
      incarnation: `${name}-${process.pid}`,
      protocol: { min: PROTOCOL_MIN, max: PROTOCOL },
      version: VERSION,
      arch: 'x86_64',
      labels: {},
      slots: Number(slots),
      resources: {},
      isolations: ['none'],
      draining: false,
      held: [],
      reports: [],
      masterEpoch: 0,
      host: 'bench',
    },
  ]);
}

for (let index = 0; index < Number(count); index++) await beSlave(`${prefix}-${index}`);
process.send('up');
process.once('disconnect', () => process.exit(0));
