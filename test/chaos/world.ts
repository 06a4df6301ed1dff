/** A yard of real processes for chaos: one master, slaves, and what can be done to them. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { makeClient } from '../../src/api/client.ts';
import { until } from '../kit/until.ts';
import type { SmallDisk } from './disk.ts';
import type { Network, Wire } from './network.ts';
import { makeProgram } from './program.ts';
import type { Program } from './program.ts';

export interface WorldOptions {
  /** The built `runyard.js`. */
  cli: string;
  root: string;
  network: Network;
  disk: SmallDisk | undefined;
  slaves: number;
  slots: number;
  leaseMs: number;
  /** A program ended that nobody had ended. */
  onCrash: (program: string, status: string, tail: string) => void;
}

export interface ChaosSlave {
  readonly name: string;
  readonly program: Program;
  readonly wire: Wire;
}

export type World = Awaited<ReturnType<typeof startWorld>>;

export async function startWorld(options: WorldOptions) {
  const { cli, root, network, disk, slots, leaseMs } = options;
  const state = join(disk?.path ?? root, 'state');
  const marks = join(root, 'marks');
  for (const each of ['marks', 'logs', 'work']) mkdirSync(join(root, each), { recursive: true });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  /** Set while the disk is full: the master may then end by itself. */
  let mayEnd = false;

  const isOpen = network.listenHost === '127.0.0.1';
  const listen = ['--host', network.listenHost, '--port', String(port)];
  const master = makeProgram({
    name: 'master',
    argv: [
      process.execPath,
      cli,
      'master',
      '--state',
      state,
      '--lease',
      `${leaseMs}ms`,
      ...listen,
      ...(isOpen ? [] : ['--insecure']),
    ],
    log: join(root, 'logs', 'master'),
    onEnd(status) {
      const isFull = mayEnd && master.tail().includes('store.full');
      if (!isFull) options.onCrash('master', status, master.tail());
    },
  });

  async function serve(): Promise<void> {
    if (!master.isUp) master.start();
    await until(async () => {
      if (!master.isUp && !mayEnd) throw new Error(`the master ended: ${master.tail()}`);
      const signal = AbortSignal.timeout(1000);
      return (await fetch(`${url}/readyz`, { signal }).catch(() => undefined))?.ok ?? false;
    }, 25);
  }

  await serve();
  const token = isOpen ? undefined : readFileSync(join(state, 'admin.token'), 'utf8').trim();
  const client = makeClient({ server: url, ...(token === undefined ? {} : { token }) });

  const slaves: ChaosSlave[] = [];
  for (let index = 1; index <= options.slaves; index++) {
    const name = `s${index}`;
    const wire = network.wire(index);
    // Traded for a credential at the first start; later ones find that.
    const secret = isOpen
      ? undefined
      : (await client.createToken({ kind: 'enrol', name, scopes: [] })).token;
    const program = makeProgram({
      name,
      argv: [
        ...wire.prefix,
        process.execPath,
        cli,
        'slave',
        '--master',
        `http://${wire.masterHost}:${port}`,
        '--name',
        name,
        '--slots',
        String(slots),
        '--work-dir',
        join(root, 'work', name),
      ],
      ...(secret === undefined ? {} : { env: { RUNYARD_TOKEN: secret } }),
      log: join(root, 'logs', name),
      onEnd: (status) => options.onCrash(name, status, program.tail()),
    });
    program.start();
    slaves.push({ name, program, wire });
  }
  await until(async () => {
    const online = (await client.listSlaves()).filter((slave) => slave.state === 'ONLINE');
    return online.length === options.slaves;
  }, 50);

  return {
    root,
    state,
    marks,
    url,
    client,
    master,
    slaves,
    disk,
    hasWires: network.hasWires,
    /** Resolves when the master answers; starts it where it is down. */
    serve,
    /** While it lasts, a master that ends for want of room is none that crashed. */
    async whileFull(work: () => Promise<void>): Promise<void> {
      mayEnd = true;
      try {
        await work();
      } finally {
        mayEnd = false;
      }
    },
    /** Lets all leave in peace; names those that had to be killed. */
    async close(): Promise<string[]> {
      const stuck: string[] = [];
      const leave = async (program: Program, ms: number) => {
        program.resume();
        if (!(await program.leave(ms))) stuck.push(program.name);
      };
      await Promise.all(slaves.map(({ program }) => leave(program, 30_000)));
      await leave(master, 30_000);
      return stuck;
    },
    async killAll(): Promise<void> {
      await Promise.all([master, ...slaves.map(({ program }) => program)].map((one) => one.kill()));
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '0.0.0.0', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}
