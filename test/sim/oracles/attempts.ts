/** S11 to S14, S18, S23, S24, L6: what is started, where, and how long it lives. */
import type { SimProcess } from '../exec.ts';
import type { SimSlave } from '../slave.ts';
import type { Step } from './mirror.ts';
import type { MakeOracle } from './oracle.ts';

/** Beyond timeout and grace: for signals, polling, and a slave that is slow. */
const SLACK_MS = 20_000;

export const attemptOracles: MakeOracle = (sight) => {
  const { mirror, scenario, report } = sight;
  const spawned = new Map<string, { slave: SimSlave; process: SimProcess }>();
  /** Of exclusive runs, all that were ever started. */
  const exclusive = new Map<string, { slave: SimSlave; process: SimProcess }[]>();
  const startedBefore = new Set<string>();
  /** What each slave was told to stop since it last said hello: a new welcome would repeat it. */
  const toldToStop = new Map<SimSlave, Set<string>>();
  const isMasterOnly = scenario.profile === 'master';

  function checkPlace(slave: SimSlave, process: SimProcess): void {
    const { key } = process;
    const { plan } = slave;
    const run = mirror.runs.get(runOf(key));
    const grant = mirror.grants.get(key);
    if (!run || !grant) return report('S14', `${key} was started and never granted`);
    if (grant.slave !== plan.name) {
      report('S14', `${key} was granted to ${grant.slave}, and ${plan.name} started it`);
    }
    const { arch, labels, resources, isolation } = run.facts;
    const hasLabels = Object.entries(labels).every(([name, value]) => plan.labels[name] === value);
    const hasRoom = Object.entries(resources).every(
      ([name, amount]) => (plan.resources[name] ?? 0) >= amount,
    );
    const isolates = (plan.isolations ?? ['none']).includes(isolation);
    if ((arch !== undefined && arch !== plan.arch) || !hasLabels || !hasRoom || !isolates) {
      report('S12', `${key} cannot run on ${plan.name}`);
    }
  }

  function checkRoom({ plan, processes }: SimSlave): void {
    const used: Record<string, number> = {};
    let count = 0;
    for (const { key } of processes.alive) {
      count++;
      const { resources = {} } = mirror.runs.get(runOf(key))?.facts ?? {};
      for (const [name, amount] of Object.entries(resources)) {
        used[name] = (used[name] ?? 0) + amount;
      }
    }
    if (count > plan.slots) report('S13', `${count} processes live on ${plan.name}`);
    for (const [name, amount] of Object.entries(used)) {
      const has = plan.resources[name] ?? 0;
      if (amount > has + 1e-9) report('S13', `${amount} of ${has} ${name} used on ${plan.name}`);
    }
  }

  /** What it heard while it was being served, it knows. */
  function checkWanted(slave: SimSlave, key: string): void {
    if (slave.agent?.state !== 'SERVING' || !toldToStop.get(slave)?.has(key)) return;
    report('S23', `${key} is started on ${slave.plan.name}, which was told to stop it`);
  }

  /** No work is lost because the master alone had faults. */
  function checkNotWasted({ event: { run, event } }: Step): void {
    const isLoss = event.type === 'slave.lost' || event.type === 'attempt.rejected';
    const endedLost =
      event.type === 'attempt.finished' && (event['ending'] as { kind: string }).kind === 'lost';
    if (!isLoss && !endedLost) return;
    const key = `${run}.${String(event['attempt'])}`;
    if (!startedBefore.has(key)) return;
    // Theirs is to end with the lease that a master's outage outlasts (dst.md part 4, `exclusive`).
    if (mirror.runs.get(run)?.facts.exclusive) return;
    report('S18', `${key} was started and is given up: ${event.type}`);
  }

  function checkLives(): void {
    for (const [key, { slave, process }] of spawned) {
      if (process.end || slave.processes.all.get(key) !== process) {
        spawned.delete(key);
        continue;
      }
      const limits = mirror.runs.get(runOf(key))?.context.limits;
      if (!limits || limits.timeoutMs === 0 || !slave.life?.alive || slave.life.paused) continue;
      const ageMs = sight.nowMs - process.startedAt / 1000;
      const upMs = sight.nowMs - slave.upSince / 1000;
      const allowed = limits.timeoutMs + limits.graceMs + SLACK_MS;
      // A slave whose process was away could not kill anything meanwhile.
      if (Math.min(ageMs, upMs + limits.timeoutMs) > 2 * allowed && upMs > allowed) {
        report('L6', `${key} lives ${Math.round(ageMs)} ms, its timeout is ${limits.timeoutMs}`);
      }
    }
  }

  return {
    onSlaveSends(slave, message) {
      if (message.type === 'hello') toldToStop.delete(slave);
    },
    onSlaveHears(slave, message) {
      if (message.type !== 'stop' || slave.agent?.state !== 'SERVING') return;
      const key = `${message.runId}.${message.attempt}`;
      if (!slave.agent.attempts.has(key)) return;
      toldToStop.set(slave, (toldToStop.get(slave) ?? new Set()).add(key));
    },
    onSpawn(slave, process) {
      const { key } = process;
      checkWanted(slave, key);
      if (startedBefore.has(key)) report('S11', `${key} was started twice`);
      startedBefore.add(key);
      spawned.set(key, { slave, process });
      checkPlace(slave, process);
      checkRoom(slave);
      const run = mirror.runs.get(runOf(key));
      if (!run?.facts.exclusive) return;
      checkAlone(run.id, key);
      exclusive.set(run.id, [...(exclusive.get(run.id) ?? []), { slave, process }]);
    },
    onChange({ steps }) {
      if (isMasterOnly) for (const step of steps) checkNotWasted(step);
    },
    onEnd: checkLives,
  };

  function checkAlone(run: string, key: string): void {
    for (const { process, slave } of exclusive.get(run) ?? []) {
      const other = process.key;
      if (other === key || process.end) continue;
      if (slave.processes.all.get(other) === process) {
        report('S24', `${key} starts while ${other} lives on ${slave.plan.name}`);
      }
    }
  }
};

function runOf(key: string): string {
  return key.slice(0, key.lastIndexOf('.'));
}
