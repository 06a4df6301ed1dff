/**
 * More bugs: some that the simulator once found in the code, and for each oracle one that should
 * make it speak.
 */
import type { Mutant } from './mutant.ts';

export const OWN: readonly Mutant[] = [
  {
    name: 'gap-in-output-for-ever',
    source: 'own',
    why: 'found once: a master that lost output in a power cut was sent the same offset for ever',
    file: 'src/slave/outputs/sender.ts',
    find: `      if (became === 'gap') handed = acknowledged = 0;
      else {`,
    replace: `      if (became === 'gap') handed = offset;
      else {`,
  },
  {
    name: 'word-on-what-is-not-on-disk',
    source: 'own',
    why: 'found once: a report was called stale because of a decision that was not on disk',
    file: 'src/master/ledger.ts',
    find: `      if (underWay > 0) return (last = last.then(() => void (failed || batch.conclude())));`,
    replace: ``,
  },
  {
    name: 'grant-after-drain',
    source: 'own',
    why: 'found once: a grant was sent to a slave whose drain was decided meanwhile',
    file: 'src/master/assignments.ts',
    find: `    if (yard.ledger.slave(session.name)?.context.drain) {`,
    replace: `    if (yard.ledger.slave(session.name) === undefined) {`,
  },
  {
    name: 'lease-over-before-sockets-are-read',
    source: 'own',
    why: 'found once: after a standstill timers come before the heartbeats that waited',
    file: 'src/master/leases.ts',
    find: `          else clock.soon(conclude);`,
    replace: `          else conclude();`,
  },
  {
    name: 'wait-as-long-as-the-clock-says',
    source: 'own',
    why: 'found once: a wall clock that jumps back makes a backoff last for an hour',
    file: 'src/master/yard.ts',
    find: `    return Math.min(Math.max(0, at - clock.wall()), withinMs);`,
    replace: `    return withinMs < 0 ? 0 : Math.max(0, at - clock.wall());`,
  },
  {
    name: 'slot-by-run',
    source: 'own',
    why: 'slots are kept by run, so that an old attempt frees the slot of a new one',
    file: 'src/master/yard.ts',
    find: '  return `${runId}.${attempt}`;',
    replace: "  return attempt < 0 ? '' : runId;",
  },
  {
    name: 'slot-never-freed',
    source: 'own',
    why: 'a report does not free the slot of its attempt',
    file: 'src/master/reports.ts',
    find: `    yard.vacate(session.name, finished.runId, finished.attempt);`,
    replace: ``,
  },
  {
    name: 'one-slot-too-many',
    source: 'own',
    why: 'slaves are given one attempt more than they have slots',
    file: 'src/master/placement.ts',
    find: `  if (room.used.size >= room.slots) {`,
    replace: `  if (room.used.size > room.slots) {`,
    also: [
      {
        file: 'src/master/yard.ts',
        find: `          if (room.used.size < room.slots && queue.size > 0) progress`,
        replace: `          if (room.used.size <= room.slots && queue.size > 0) progress`,
      },
    ],
  },
  {
    name: 'slave-takes-all',
    source: 'own',
    why: 'a slave starts what it is given, whether or not it has a slot',
    file: 'src/slave/agent.ts',
    find: `    if (busy + dying >= facts.slots)`,
    replace: `    if (busy + dying >= 1000)`,
  },
  {
    name: 'last-in-first-out',
    source: 'own',
    why: 'what came last is granted first',
    file: 'src/master/placement.ts',
    find: `      else list.items.push(item);`,
    replace: `      else list.items.splice(list.first, 0, item);`,
    also: [
      {
        file: 'src/master/placement.ts',
        find: `(head.priority === best.priority && head.head.order < best.head.order);`,
        replace: `(head.priority === best.priority && head.head.order > best.head.order);`,
      },
    ],
  },
  {
    name: 'accepted-before-durable',
    source: 'own',
    why: 'a submit is answered while its commit is under way',
    file: 'src/master/submit.ts',
    find: `    await yard.transact((tx) => {
      job?.note(tx);`,
    replace: `    void yard.transact((tx) => {
      job?.note(tx);`,
  },
  {
    name: 'key-not-kept',
    source: 'own',
    why: 'a repeated submit makes another run after a restart',
    file: 'src/master/submit.ts',
    find: `      tx.put(keys.submitKey(keyDigest), pack({ runId: id, contentDigest }));`,
    replace: ``,
  },
  {
    name: 'key-of-another-content',
    source: 'own',
    why: 'a key that was used for another content is taken for a repetition',
    file: 'src/master/submit.ts',
    find: `    if (known.contentDigest === contentDigest) return known;`,
    replace: `    if (known.contentDigest !== undefined) return known;`,
  },
  {
    name: 'second-submit-unanswered',
    source: 'own',
    why: 'who repeats a submit that is under way is never answered',
    file: 'src/master/submit.ts',
    find: `    markDurable();`,
    replace: ``,
  },
  {
    name: 'earlier-session-heard',
    source: 'own',
    why: 'frames of a connection that was replaced still count',
    file: 'src/master/hub.ts',
    find: `      if (!sessions.isCurrent(session) || stopped) return;
      leases.renew(session.name);`,
    replace: `      if (stopped) return;
      leases.renew(session.name);`,
    also: [
      {
        file: 'src/master/sessions.ts',
        find: `      earlier?.connection.close('hello.replaced: it connected again');`,
        replace: ``,
      },
    ],
  },
  {
    name: 'heartbeats-renew-nothing',
    source: 'own',
    why: 'a lease ends although heartbeats come',
    file: 'src/master/hub.ts',
    find: `      leases.renew(session.name);
      reports.hear`,
    replace: `      reports.hear`,
  },
  {
    name: 'results-after-reconciling',
    source: 'own',
    why: 'the results in a hello are not recorded before the rest of it is settled',
    file: 'src/master/handshake.ts',
    find: `    for (const finished of kept) reports.finish(tx, session, finished);`,
    replace: ``,
  },
  {
    name: 'held-attempts-stopped',
    source: 'own',
    why: 'a slave that comes back is told to stop what it holds',
    file: 'src/master/handshake.ts',
    find: `      if (run.state === 'RUNNING.stopping') verdicts.stop.push({ runId, attempt });`,
    replace: `      if (run.state !== 'UNKNOWN') verdicts.stop.push({ runId, attempt });`,
  },
  {
    name: 'abort-answered-early',
    source: 'own',
    why: 'an abort is answered before the run has ended',
    file: 'src/master/service.ts',
    find: `      return waitRun(runId, patience, new AbortController().signal);`,
    replace: `      return patience < 0 ? waitRun(runId, 0, new AbortController().signal) : getRun(runId);`,
  },
  {
    name: 'abort-told-before-it-is-so',
    source: 'own',
    why: 'an abort is answered with ABORTED whatever becomes of the run',
    file: 'src/master/service.ts',
    find: `      return waitRun(runId, patience, new AbortController().signal);`,
    replace: `      return { ...(await getRun(runId)), state: 'ABORTED' as const, patience };`,
  },
  {
    name: 'abort-of-what-is-done',
    source: 'own',
    why: 'who aborts a run that is done is told that it was aborted',
    file: 'src/master/service.ts',
    find: `      if (isDone(run.state)) return statusOf(run, baseUrl());`,
    replace: `      if (isDone(run.state)) return { ...statusOf(run, baseUrl()), state: 'ABORTED' as const };`,
  },
  {
    name: 'gone-process-succeeded',
    source: 'own',
    why: 'a process that is gone after a restart is reported as a success',
    file: 'src/slave/attempt.ts',
    find: `        ending: { kind: 'lost', why: 'the process was gone after a restart of the slave' },`,
    replace: `        ending: { kind: 'exited', code: 0 },`,
  },
  {
    name: 'taken-up-by-starting-again',
    source: 'own',
    why: 'a slave that restarts starts what it had instead of taking it over',
    file: 'src/slave/agent.ts',
    find: `      else if (assignment) take(assignment, { workspace: ports.workspaceAt(key), sinkSizes: {} });`,
    replace: `      else if (assignment) take(assignment);`,
  },
  {
    name: 'assignment-not-noted',
    source: 'own',
    why: 'an attempt is started without a note of it on the disk of its slave',
    file: 'src/slave/attempt.ts',
    find: `    await spool.keepAssignment(key, assignment);`,
    replace: ``,
  },
  {
    name: 'report-not-spooled',
    source: 'own',
    why: 'the end of an attempt is not on disk when it is told',
    file: 'src/slave/attempt.ts',
    find: `      await spool.keepReport(key, finished).catch(`,
    replace: `      await Promise.resolve().catch(`,
  },
  {
    name: 'spool-never-emptied',
    source: 'own',
    why: 'what was acknowledged stays on the disk of the slave',
    file: 'src/slave/agent.ts',
    find: `attempt.report ? ports.workspaces.remove(key) : attempt.discard();`,
    replace: `attempt.report ? Promise.resolve() : attempt.discard();`,
  },
  {
    name: 'bytes-from-the-start-again',
    source: 'own',
    why: 'output is sent with the offset of other bytes',
    file: 'src/slave/outputs/sender.ts',
    find: `      const bytes = read(handed, Math.min(CHUNK_MAX, sizeNow() - handed));`,
    replace: `      const bytes = read(0, Math.min(CHUNK_MAX, sizeNow() - handed));`,
  },
  {
    name: 'digest-unchecked',
    source: 'own',
    why: 'outputs are taken for complete whatever has arrived of them',
    file: 'src/master/outputs.ts',
    find: `        await blobs.seal(key, { bytes: facts.bytes, sha256: facts.sha256 });`,
    replace: ``,
  },
  {
    name: 'one-loss-too-many',
    source: 'own',
    why: 'a run is queued again after the last loss that it may have',
    file: 'src/machines/run.ts',
    find: `      step.context.lost + 1 >= step.context.limits.lostMax,`,
    replace: `      step.context.lost > step.context.limits.lostMax,`,
  },
  {
    name: 'history-with-holes',
    source: 'own',
    why: 'numbers of events are left out',
    file: 'src/master/ledger.ts',
    find: `      seq++;
      const { id, state, context, facts } = next;`,
    replace: `      seq += before ? 1 : 2;
      const { id, state, context, facts } = next;`,
  },
  {
    name: 'finished-run-forgotten',
    source: 'own',
    why: 'a run that is done is removed together with its place among the live ones',
    file: 'src/master/ledger.ts',
    find: `            ops.push({ put: keys.done(record.id), value }, { del: keys.live(record.id) });`,
    replace: `            ops.push({ del: keys.live(record.id) }, { del: keys.origin(record.id) });`,
  },
  {
    name: 'refused-for-ever',
    source: 'own',
    why: 'a slave that was turned away three times does not try again',
    file: 'src/slave/agent.ts',
    find: `      clock.setTimeout(() => hear({ type: 'retry.due' }), ms);`,
    replace: `      if (context.tries < 4) clock.setTimeout(() => hear({ type: 'retry.due' }), ms);`,
  },
  {
    name: 'third-start-fails',
    source: 'own',
    why: 'a master whose epoch is above two does not start',
    file: 'src/master/master.ts',
    find: `  if (!fence) throw new YardError(`,
    replace: `  if (!fence || fence.epoch > 2) throw new YardError(`,
  },
  {
    name: 'no-start-without-work',
    source: 'own',
    why: 'a master that finds nothing to do when it starts again ends',
    file: 'src/master/master.ts',
    find: `  await yard.open();`,
    replace: `  await yard.open();
  if (fence.epoch > 1 && yard.ledger.liveRuns().length === 0) {
    throw new YardError('store.locked', 'there is nothing to do');
  }`,
  },
  {
    name: 'gone-at-rest',
    source: 'own',
    why: 'once all is well the master dies for good; planted in the world, for the core has no such act',
    file: 'test/sim/world.ts',
    find: `    healedAtMs = kernel.now / 1000;
    timeline`,
    replace: `    healedAtMs = kernel.now / 1000;
    kernel.after((2 * scenario.leaseMs + 55_000) * 1000, KIND.world, () => master.kill(true));
    timeline`,
  },
  {
    name: 'timeout-not-enforced',
    source: 'own',
    why: 'neither the slave nor the master ends what runs for too long',
    file: 'src/slave/attempt.ts',
    find: `  if (assignment.timeoutMs > 0) {`,
    replace: `  if (assignment.timeoutMs > 1e9) {`,
    also: [
      {
        file: 'src/machines/run.ts',
        find: `  if (state.startsWith('RUNNING.') && limits.timeoutMs > 0 && startedAt !== undefined) {`,
        replace: `  if (state.startsWith('RUNNING.') && limits.timeoutMs > 1e9 && startedAt !== undefined) {`,
      },
    ],
  },
  {
    name: 'given-up-in-another-commit',
    source: 'own',
    why: 'the attempts of a lost slave are given up in memory only',
    file: 'src/master/assignments.ts',
    find: `        tx.run(run.id, { type: 'slave.lost', ...event }, 'master');`,
    replace: ``,
  },
  {
    name: 'forgotten-on-reconnect',
    source: 'own',
    why: 'a slave that comes back drops what it holds and is current',
    file: 'src/master/handshake.ts',
    find: `    const verdicts: Verdicts = { forget: [], stop: [], goingOn: [] };`,
    replace: `    const verdicts: Verdicts = { forget: hello.held.map(slotOf2), stop: [], goingOn: [] };
    function slotOf2({ runId, attempt }: Slot) { return { runId, attempt }; }`,
  },
  {
    name: 'late-close-ends-the-new-session',
    source: 'own',
    why: 'the end of an old connection disconnects the slave that connected again',
    file: 'src/master/hub.ts',
    find: `    if (!sessions.isCurrent(session) || stopped) return;
    sessions.end(session.name);`,
    replace: `    if (stopped) return;
    sessions.end(session.name);`,
  },
];
