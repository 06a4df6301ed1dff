/** The bugs that the reference on simulation asks to be planted (dst.md part 5), by its numbers. */
import type { Mutant } from './mutant.ts';

export const DST: readonly Mutant[] = [
  {
    name: 'ack-before-durable',
    source: 'dst 1',
    why: 'what was decided is told before it is on disk',
    file: 'src/master/ledger.ts',
    find: `    return (last = commit(ops, batch));`,
    replace: `    batch.conclude();
    return (last = commit(ops, { ...batch, conclude: () => {} }));`,
  },
  {
    name: 'no-fsync',
    source: 'dst 2',
    why: 'a group is acknowledged when it is handed over, and on disk some time later',
    file: 'test/sim/disk.ts',
    find: `        underWay = group;
        kernel.after(syncUs(), KIND.disk, () => {`,
    replace: `        if (underWay) apply(underWay);
        underWay = group;
        kernel.after(0, KIND.disk, resolve, life);
        kernel.after(syncUs(), KIND.disk, () => {`,
  },
  {
    name: 'memory-before-disk',
    source: 'dst 3',
    shows: 'S16',
    why: 'readers see what was decided and is not on disk yet',
    file: 'src/master/ledger.ts',
    find: `return cell ? cell.durable : archive.findDone(id);`,
    replace: `return cell ? cell.latest : archive.findDone(id);`,
  },
  {
    name: 'snapshot-and-history-apart',
    source: 'dst 4',
    shows: 'S8',
    why: 'the last write of a decision goes into a commit of its own',
    file: 'src/master/ledger.ts',
    find: `    return store.commit({ fence, ops }).then(`,
    replace: `    const whole = store
      .commit({ fence, ops: ops.slice(0, -1) })
      .then(() => store.commit({ fence, ops: ops.slice(-1) }));
    return whole.then(`,
  },
  {
    name: 'write-error-swallowed',
    source: 'dst 5',
    why: 'a failed write is taken for a good one',
    file: 'src/master/ledger.ts',
    find: `      (error: unknown) => {
        throw fail(error);
      },`,
    replace: `      () => {
        underWay--;
        batch.conclude();
      },`,
  },
  {
    name: 'no-fence',
    source: 'dst 6',
    shows: 'S4',
    why: 'any attempt may report, whichever is current',
    file: 'src/machines/run-guards.ts',
    find: `    'attempt' in event && event.attempt === context.attempt && context.attempt > context.settled`,
    replace: `    'attempt' in event && context.attempt > context.settled`,
    also: [
      {
        file: 'src/master/reports.ts',
        find: `  return attempt === claim.attempt && token === claim.token && settled! < claim.attempt;`,
        replace: `  return attempt !== undefined && token !== '' && settled! < claim.attempt;`,
      },
    ],
  },
  {
    name: 'attempt-not-bumped',
    source: 'dst 7',
    shows: 'S3',
    why: 'a new grant has the number of the one before',
    file: 'src/machines/run-changes.ts',
    find: `    attempt: context.attempt + 1,`,
    replace: `    attempt: Math.max(1, context.attempt),`,
  },
  {
    name: 'abort-overwritten',
    source: 'dst 8',
    shows: 'S1',
    why: 'a run that was aborted takes the result that comes after',
    file: 'src/machines/run.ts',
    find: `    ABORTED: { type: 'final' },`,
    replace: `    ABORTED: { on: { 'attempt.finished': reported } },`,
    also: [
      {
        file: 'src/machines/run-changes.ts',
        find: `    return {
      settled: context.attempt,
      finishedAt: event.at,
      abort: { by, why },`,
        replace: `    return {
      finishedAt: event.at,
      abort: { by, why },`,
      },
      {
        file: 'src/machines/run-changes.ts',
        find: `  keepOutputs: change<'attempt.finished'>((_, event) => ({`,
        replace: `  keepOutputs: change<'attempt.finished'>((context, event) => ({
    settled: context.attempt,`,
      },
      {
        file: 'src/master/ledger.ts',
        find: `          if (isDone(cell.latest.state) && cell.latest === record) runs.delete(record.id);`,
        replace: ``,
      },
      {
        file: 'src/master/ledger.ts',
        find: `    liveRuns: () => Array.from(runs.values(), ({ latest }) => latest),`,
        replace: `    liveRuns: () =>
      Array.from(runs.values(), ({ latest }) => latest).filter(({ state }) => !isDone(state)),`,
      },
    ],
  },
  {
    name: 'finish-counted-twice',
    source: 'dst 9',
    shows: 'S10',
    why: 'a failure that is reported again is counted again',
    file: 'src/machines/run-guards.ts',
    find: `event.attempt === context.attempt && context.attempt > context.settled`,
    replace: `event.attempt === context.attempt`,
    also: [
      {
        file: 'src/master/reports.ts',
        find: `token === claim.token && settled! < claim.attempt;`,
        replace: `token === claim.token && settled !== undefined;`,
      },
    ],
  },
  {
    name: 'slot-reserved-late',
    source: 'dst 10',
    shows: 'S22',
    why: 'a slot is taken once the grant is on disk, not when it is decided',
    file: 'src/master/yard.ts',
    find: `    occupy(room.name, id, run.context.attempt, run.facts.resources);`,
    replace: `    tx.after(() => occupy(room.name, id, run.context.attempt, run.facts.resources));`,
  },
  {
    name: 'requeue-on-restart',
    source: 'dst 11',
    shows: 'S18',
    why: 'a master that starts again does not wait for slaves to come back',
    file: 'src/master/hub.ts',
    find: `        leases.renew(name, windowMs);`,
    replace: `        leases.renew(name, 1);`,
  },
  {
    name: 'deadlines-not-armed-again',
    source: 'dst 12',
    shows: 'L1',
    why: 'after a restart nobody waits for the deadlines of runs',
    file: 'src/master/yard.ts',
    find: `        arm(run, restAfterRestart);`,
    replace: ``,
  },
  {
    name: 'wall-clock-lease',
    source: 'dst 13',
    why: 'leases are measured with the clock that jumps',
    file: 'src/master/leases.ts',
    find: `  const leases = new Map<string, { until: number; cancel: () => void }>();`,
    replace: `  clock = { ...clock, now: clock.wall };
  const leases = new Map<string, { until: number; cancel: () => void }>();`,
  },
  {
    name: 'drain-forgotten-on-reconnect',
    source: 'dst 14',
    shows: 'S15',
    why: 'a slave that comes back takes work again',
    file: 'src/machines/slave.ts',
    find: `      seenAt: at,
      whyGone: undefined,`,
    replace: `      seenAt: at,
      drain: undefined,
      whyGone: undefined,`,
  },
  {
    name: 'no-kill-after-term',
    source: 'dst 15',
    shows: 'L6',
    why: 'a task that ignores SIGTERM is never killed',
    file: 'src/slave/attempt.ts',
    find: `    later(assignment.graceMs, () => {
      if (isRunning) executor.signal(key, 'SIGKILL');
    });`,
    replace: ``,
  },
  {
    name: 'output-not-flushed',
    source: 'dst 16',
    shows: 'S6',
    why: 'an end is reported before its outputs have arrived, and the master takes it',
    file: 'src/slave/attempt.ts',
    find: `      await orAborted(tail!.flushed(), discarding.signal);`,
    replace: ``,
    also: [
      {
        file: 'src/master/outputs.ts',
        find: `        await blobs.seal(key, { bytes: facts.bytes, sha256: facts.sha256 });`,
        replace: ``,
      },
    ],
  },
  {
    name: 'assign-starts-twice',
    source: 'dst 17',
    why: 'an assignment that arrives twice is started twice',
    file: 'src/slave/agent.ts',
    find: `    if (attempts.has(key) || assigned.has(key)) return;`,
    replace: ``,
    also: [
      {
        file: 'src/master/assignments.ts',
        find: `    sessions.send(session, {
      type: 'assign',`,
        replace: `    const sendTwice = (message: ToSlave) => {
      sessions.send(session, message);
      sessions.send(session, message);
    };
    sendTwice({
      type: 'assign',`,
      },
    ],
  },
  {
    name: 'hello-without-results',
    source: 'dst 18',
    why: 'a slave that comes back does not name what it has finished',
    file: 'src/slave/held.ts',
    find: `        }),
        reports,`,
    replace: `        }),
        reports: [],`,
    also: [
      {
        file: 'src/slave/held.ts',
        find: `      const held = [...attempts.values()]`,
        replace: `      const held = [...attempts.values()].filter(({ report: made }) => !made)`,
      },
    ],
  },
  {
    name: 'scheduled-before-reconciled',
    source: 'dst 19',
    why: 'a slave is given work before what it holds is settled',
    file: 'src/master/hub.ts',
    find: `    sessions.setOnline(hello.name, false);
    connection`,
    replace: `    sessions.setOnline(hello.name, true);
    connection`,
    also: [
      {
        file: 'src/master/sessions.ts',
        find: `        welcomed: false,`,
        replace: `        welcomed: true,`,
      },
    ],
  },
  {
    name: 'reconciled-by-run',
    source: 'dst 20',
    shows: 'L2',
    why: 'what a slave holds is compared by run, not by run and attempt',
    file: 'src/master/handshake.ts',
    find: `      const isCurrent = run?.context.attempt === attempt && run.context.token === token;`,
    replace: `      const isCurrent = run !== undefined && token !== '';`,
  },
  {
    name: 'arch-unchecked-on-retry',
    source: 'dst 21',
    shows: 'S12',
    why: 'a run that is queued again after a loss goes to any architecture',
    file: 'src/master/placement.ts',
    find: `      const key = classKey(facts);`,
    replace: `      if (ahead) facts = { ...facts, arch: undefined };
      const key = classKey(facts);`,
  },
  {
    name: 'retry-off-by-one',
    source: 'dst 22',
    shows: 'S7',
    why: 'one retry too many',
    file: 'src/machines/retry.ts',
    find: `run.failures < policy.retries`,
    replace: `run.failures <= policy.retries`,
  },
];
