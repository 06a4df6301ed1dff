/** Those who submit, wait, abort and drain, and try again until they are answered. */
import { sleep } from '../../src/base/clock.ts';
import { isYardError } from '../../src/base/errors.ts';
import { isDone, runRequest } from '../../src/protocol/run.ts';
import type { RunRequest } from '../../src/protocol/run.ts';
import type { JobStatus } from '../../src/protocol/http.ts';
import type { MasterService, Principal } from '../../src/protocol/service.ts';
import { inOnePiece } from './blobs.ts';
import type { Draw } from './draw.ts';
import type { Kernel } from './kernel.ts';
import { makeMachine } from './machine.ts';
import type { Net } from './net.ts';
import type { Invariant } from './oracles/invariants.ts';
import type { Answer } from './oracles/oracle.ts';
import { lookOn } from './onlookers.ts';
import { makeRequests, nameOf } from './requests.ts';
import type { DrainPlan, JobPlan, RunPlan, Scenario } from './scenario.ts';
import { BUNDLES } from './tasks.ts';

export interface ClientPorts {
  kernel: Kernel;
  net: Net;
  draw: Draw;
  scenario: Scenario;
  service: () => MasterService;
  onAnswer: (answer: Answer, askedAtMs: number) => void;
  onResume: (slave: string, isOver: boolean) => void;
  onDrainOver: (slave: string) => void;
  report: (oracle: Invariant, what: string) => void;
}

export interface Clients {
  start: () => void;
  /** What was asked and not answered yet, and what is still to be asked. */
  readonly open: ReadonlySet<string>;
  resume: (slave: string) => void;
  /** Drains it, waits until all that it had must have ended, and resumes it. */
  drainAfter: (slave: string) => void;
}

const me: Principal = { name: 'tester', kind: 'user', scopes: ['admin'] };
const WAIT_MS = 60_000;
/** Longer than any task, with its timeout, its grace and what is to be sent after it. */
const LONGEST_MS = 200_000;

export function clientName(number: number): string {
  return `c${number + 1}`;
}

export function makeClients(ports: ClientPorts): Clients {
  const { kernel, net, scenario, onAnswer, report } = ports;
  const open = new Set<string>();
  /** The faults have ended, and with them the drains. */
  let isOver = false;
  const requests = makeRequests(scenario);
  const held = new Set<number>();
  const clients = Array.from({ length: scenario.clients }, (_, number) => makeClient(number));

  function makeClient(number: number) {
    const name = clientName(number);
    const life = kernel.makeLife(name);
    const clock = makeMachine(kernel, { name, rate: 1, wallOffsetMs: 0 }).clockOf(life);
    const draw = ports.draw.fork(name);

    /** Asks until there is an answer; an error that is one is thrown. */
    async function ask<T>(
      serve: (service: MasterService) => Promise<T>,
      toAnswer: (value: T) => Answer | undefined,
    ): Promise<T> {
      for (;;) {
        try {
          return await net.request(name, life, 'master', async () => {
            const askedAtMs = kernel.now / 1000;
            const value = await serve(ports.service());
            const answer = toAnswer(value);
            if (answer) onAnswer(answer, askedAtMs);
            return value;
          });
        } catch (error) {
          if (!isYardError(error) || !/^(net|master|store)\./.test(error.code)) throw error;
        }
        await sleep(clock, draw.between(200, 2_000));
      }
    }

    return { clock, ask, draw };
  }

  type Client = (typeof clients)[number];

  /** Runs one thing that somebody wants, from `atMs` on. */
  function begin(what: string, client: Client, atMs: number, perform: () => Promise<void>): void {
    open.add(what);
    const whole = async () => {
      await sleep(client.clock, Math.max(0, atMs - client.clock.now()));
      await perform();
    };
    whole().then(
      () => open.delete(what),
      (error: unknown) => {
        open.delete(what);
        report('L3', `${what} was answered with ${String(error)}`);
      },
    );
  }

  async function putBundle(client: Client, request: RunRequest): Promise<void> {
    const bundle = BUNDLES.find(({ id }) => id === request.bundle);
    if (bundle) {
      await client.ask(
        (service) => service.putBundle(bundle.id, inOnePiece(bundle.bytes)),
        () => undefined,
      );
    }
  }

  /** undefined: somebody uses its key for something else. */
  async function submit(
    client: Client,
    index: number,
    asked: RunRequest,
  ): Promise<string | undefined> {
    await putBundle(client, asked);
    try {
      const [submitted] = await client.ask(
        (service) => service.submit([asked], me),
        ([first]) => ({ kind: 'submitted', index, runId: first!.runId, asked }),
      );
      return submitted!.runId;
    } catch (error) {
      if (isYardError(error) && error.code === 'key.conflict') return undefined;
      throw error;
    }
  }

  /** Who has no answer asks again, and may so have two jobs: those take no key. */
  async function submitJob(plan: JobPlan): Promise<void> {
    const client = clients[plan.client]!;
    const members = scenario.runs.filter(({ job }) => job === plan.number);
    if (members.length === 0) return;
    const runs: RunRequest[] = [];
    for (const member of members) {
      const request = { ...(await requests.of(member)), name: nameOf(member.index) };
      await putBundle(client, request);
      runs.push(request);
    }
    const { jobId, runs: made } = await client.ask(
      (service) => service.submitJob({ name: `job ${plan.number}`, runs }, me),
      () => undefined,
    );
    for (const [at, member] of members.entries()) {
      requests.accepted(member.index, made[at]);
      const its = clients[member.client]!;
      begin(`run ${member.index}`, its, 0, () => follow(its, member, made[at]!));
    }
    if (plan.abortAtMs !== undefined) {
      begin(`abort job ${plan.number}`, client, plan.abortAtMs, () => abortJob(client, jobId));
    }
    for (;;) {
      const { state } = await askJob(client, (service) => service.getJob(jobId), false);
      if (state === 'COMPLETED') return;
      await sleep(client.clock, 20_000);
    }
  }

  function askJob(
    { ask }: Client,
    serve: (service: MasterService) => Promise<JobStatus>,
    isAborted: boolean,
  ): Promise<JobStatus> {
    return ask(serve, (status) => ({ kind: 'job', status, isAborted }));
  }

  async function abortJob(client: Client, jobId: string): Promise<void> {
    await askJob(client, (service) => service.abortJob(jobId, me, 'all for nothing'), true);
  }

  async function waitUntilDone({ ask }: Client, runId: string, index: number): Promise<void> {
    for (;;) {
      const status = await ask(
        // A signal of its own: a master that is killed lets go of none.
        (service) => service.waitRun(runId, WAIT_MS, new AbortController().signal),
        (told) => ({ kind: 'status', status: told }),
      );
      if (isDone(status.state)) return;
      // It was asked to be held on a way so slow that its release came first.
      if (status.substate === 'held' && !held.has(index)) await release({ ask }, runId);
    }
  }

  async function perform(plan: RunPlan): Promise<void> {
    const client = clients[plan.client]!;
    const { index } = plan;
    const request = await requests.of(plan);
    if (plan.hold && request.held) held.add(index);
    const runId = await submit(client, index, request);
    requests.accepted(index, runId);
    if (runId === undefined) {
      if (!plan.rival) report('S25', `key of run ${index} is taken, and nobody else used it`);
      return;
    }
    await follow(client, plan, runId);
  }

  /** What people do with a run that was accepted. */
  async function follow(client: Client, plan: RunPlan, runId: string): Promise<void> {
    const { index, hold } = plan;
    if (hold) {
      held.add(index);
      begin(`hold ${index}`, client, hold.atMs, () => holdFor(client, plan, runId));
    }
    if (plan.abortAtMs !== undefined) {
      const why = index % 3 === 0 ? '' : 'not wanted any more';
      begin(`abort ${index}`, client, plan.abortAtMs, () => abort(client, runId, why));
    }
    if (plan.isWatched) {
      const draw = client.draw.fork(`looks:${index}`);
      begin(`look ${index}`, client, 0, () =>
        lookOn({ clock: client.clock, draw, ask: client.ask }, runId),
      );
    }
    if (plan.conflict) await expectConflict(client, plan);
    await waitUntilDone(client, runId, index);
    if (!plan.rerun) return;
    const again = await client.ask(
      (service) => service.rerun(runId, me),
      () => undefined,
    );
    await waitUntilDone(client, again.runId, index);
  }

  async function holdFor(client: Client, { index, hold, request }: RunPlan, runId: string) {
    const isHeld =
      request.held ||
      (await hasHeld(client, runId)) ||
      (hold!.insists && (await hasHeldInTheEnd(client, runId)));
    if (isHeld) await sleep(client.clock, isOver ? 0 : hold!.forMs);
    held.delete(index);
    await release(client, runId);
  }

  async function hasHeld({ ask }: Client, runId: string): Promise<boolean> {
    try {
      await ask(
        (service) => service.holdRun(runId, me, 'a test'),
        () => undefined,
      );
      return true;
    } catch (error) {
      if (isYardError(error) && error.code === 'hold.too_late') return false;
      throw error;
    }
  }

  /** Looks at it until it waits; false if it is done before, or the faults are over. */
  async function hasHeldInTheEnd(client: Client, runId: string): Promise<boolean> {
    while (!isOver) {
      await sleep(client.clock, 500);
      const { state } = await client.ask(
        (service) => service.getRun(runId),
        () => undefined,
      );
      if (isDone(state)) return false;
      if (state === 'PENDING' && (await hasHeld(client, runId))) return true;
    }
    return false;
  }

  async function release({ ask }: Pick<Client, 'ask'>, runId: string): Promise<void> {
    await ask(
      (service) => service.releaseRun(runId, me),
      () => undefined,
    );
  }

  async function abort({ ask }: Client, runId: string, why: string): Promise<void> {
    await ask(
      (service) => service.abortRun(runId, me, why),
      (status) => ({ kind: 'aborted', status }),
    );
  }

  async function expectConflict(client: Client, plan: RunPlan): Promise<void> {
    const { index } = plan;
    const other = { ...(await requests.of(plan)), priority: 99 };
    if ((await submit(client, index, other)) === undefined) return;
    report('S25', `key of run ${index} was taken again for another content`);
  }

  /** Asks for something else under its key; one of the two is refused. */
  async function rival(client: Client, plan: RunPlan): Promise<void> {
    const { held: _, ...request } = plan.request;
    const other = runRequest.parse({ ...request, name: 'a rival' });
    const runId = await submit(client, plan.index, other);
    if (runId !== undefined) await waitUntilDone(client, runId, plan.index);
  }

  async function drain(client: Client, { slave, forMs }: DrainPlan): Promise<void> {
    const known = await tell(client, slave, (service) =>
      service.drainSlave(slave, me, { note: 'a test' }),
    );
    // What was asked for on a slow way may be done only after all was well.
    if (!known || (forMs === undefined && !isOver)) return;
    await sleep(client.clock, isOver ? 0 : forMs!);
    await resumeBy(client, slave);
  }

  /** false: the master does not know that slave yet. */
  async function tell(
    { ask }: Client,
    slave: string,
    serve: (service: MasterService) => Promise<unknown>,
    kind: 'drained' | 'resumed' = 'drained',
  ): Promise<boolean> {
    try {
      await ask(serve, () => ({ kind, slave }));
      return true;
    } catch (error) {
      if (isYardError(error) && error.code === 'slave.unknown') return false;
      throw error;
    }
  }

  async function resumeBy(client: Client, slave: string): Promise<void> {
    ports.onResume(slave, false);
    await tell(client, slave, (service) => service.resumeSlave(slave, me), 'resumed');
    ports.onResume(slave, true);
  }

  async function drainForLong(client: Client, slave: string): Promise<void> {
    // Nobody else is to have a say in it meanwhile.
    while ([...open].some((what) => /^(drain|resume) /.test(what)))
      await sleep(client.clock, 1_000);
    const drained = await tell(client, slave, (service) =>
      service.drainSlave(slave, me, { note: 'to be taken down' }),
    );
    if (!drained) return;
    await sleep(client.clock, LONGEST_MS);
    ports.onDrainOver(slave);
    await resumeBy(client, slave);
  }

  return {
    open,
    start() {
      for (const plan of scenario.jobs) {
        const client = clients[plan.client]!;
        begin(`job ${plan.number}`, client, plan.atMs, () => submitJob(plan));
      }
      for (const plan of scenario.runs) {
        if (plan.job !== undefined) continue;
        const client = clients[plan.client]!;
        begin(`run ${plan.index}`, client, plan.atMs, () => perform(plan));
        const other = clients[(plan.client + 1) % clients.length]!;
        if (plan.rival) begin(`rival of ${plan.index}`, other, plan.atMs, () => rival(other, plan));
        if (!plan.twice) continue;
        begin(`run ${plan.index} again`, other, plan.atMs, async () => {
          await submit(other, plan.index, await requests.of(plan));
        });
      }
      for (const [number, plan] of scenario.drains.entries()) {
        const client = clients[number % clients.length]!;
        begin(`drain ${number}`, client, plan.atMs, () => drain(client, plan));
      }
    },
    drainAfter(slave) {
      const client = clients[0]!;
      const begins = client.clock.now() + 1_000;
      begin(`late drain of ${slave}`, client, begins, () => drainForLong(client, slave));
    },
    resume(slave) {
      isOver = true;
      const client = clients[0]!;
      begin(`resume ${slave}`, client, client.clock.now(), () => resumeBy(client, slave));
    },
  };
}
