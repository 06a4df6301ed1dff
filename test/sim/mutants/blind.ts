import type { Mutant } from './mutant.ts';

/** Bugs planted by somebody who has not read the oracles. */
export const BLIND: readonly Omit<Mutant, 'source'>[] = [
  {
    name: 'store-failure-not-fatal',
    file: 'src/master/ledger.ts',
    find: 'throw fail(error);',
    replace: 'throw error;',
    why:
      'The disk is full and one commit is rejected. The master does not end: it takes ' +
      'connections and answers, but nothing is recorded any more, heartbeats get no ' +
      'renewal, and nobody starts it again.',
  },
  {
    name: 'reads-before-disk',
    file: 'src/master/ledger.ts',
    find: 'return cell ? cell.durable : archive.findDone(id);',
    replace: 'return cell ? cell.latest : archive.findDone(id);',
    why:
      'A report is decided on and its commit is under way; a user asks and reads COMPLETE; ' +
      'the master is killed before the write. After the restart the run is RUNNING again ' +
      'and may end otherwise: done changed.',
  },
  {
    name: 'refusal-before-disk',
    file: 'src/master/ledger.ts',
    find: 'if (underWay > 0)',
    replace: 'if (underWay > 1)',
    why:
      'An upload is slow, so that the master decides run.overdue; while that commit is ' +
      'under way the report arrives, is refused as stale at once, and its slave deletes it. ' +
      'The master is killed before the write: after the restart the run is RUNNING, its ' +
      'result exists nowhere, and hours of work are done again.',
  },
  {
    name: 'restart-reuses-numbers',
    file: 'src/master/history.ts',
    find: `return (await lastBefore('event0')).at(-1)?.seq ?? 0;`,
    replace: `return (await lastBefore('event0'))[0]?.seq ?? 0;`,
    why:
      'The last commit before a restart held several events. The next events get numbers ' +
      'that are taken: histories show events of other runs or are called corrupt, and ' +
      'watchers skip the new ones.',
  },
  {
    name: 'held-dependent-forgotten',
    file: 'src/master/yard.ts',
    find: `        for (const blocker of run.context.blockers) addTo(dependents, blocker, run.id);`,
    replace: `        if (run.context.hold) continue;
        for (const blocker of run.context.blockers) addTo(dependents, blocker, run.id);`,
    why:
      'A run is submitted held and after another; the master restarts; the run is released; ' +
      'the other ends well. Nobody tells the run: it stays PENDING.blocked until the next ' +
      'restart.',
  },
  {
    name: 'overdue-at-restart',
    file: 'src/master/yard.ts',
    find: `    return deadline.isWhole ? deadline.withinMs`,
    replace: `    return deadline.isWhole && deadline.event !== 'run.overdue' ? deadline.withinMs`,
    why:
      'The master is down while a task ends in time, and for longer than timeout, grace and ' +
      'overhead. When it is back the run is TIMEDOUT before its slave can reconnect with ' +
      'the report of exit status 0.',
  },
  {
    name: 'wait-stretched-by-clock',
    file: 'src/master/yard.ts',
    find: `  function restOf({ at, withinMs }: Deadline): number {
    return Math.min(Math.max(0, at - clock.wall()), withinMs);`,
    replace: `  function restOf({ at }: Deadline): number {
    return Math.max(0, at - clock.wall());`,
    why:
      'A run is in backoff; the master restarts and its wall clock was set back by a day ' +
      'meanwhile. The retry is due in a day instead of within backoffMaxMs; a queue timeout ' +
      'waits as long.',
  },
  {
    name: 'session-by-incarnation',
    file: 'src/master/sessions.ts',
    find: 'isCurrent: (session) => sessions.get(session.name) === session,',
    replace:
      'isCurrent: (session) => sessions.get(session.name)?.incarnation === session.incarnation,',
    why:
      'A link dies at the slave first, which connects again before the master has noticed. ' +
      'Closing the old connection ends the new session: the slave is never welcomed, sits ' +
      'in GREETING, and all that it runs is lost at the end of its lease and done again ' +
      'elsewhere.',
  },
  {
    name: 'held-by-run-not-attempt',
    file: 'src/master/handshake.ts',
    find: 'const held = new Set(verdicts.goingOn.map(({ id }) => id));',
    replace: 'const held = new Set(hello.held.map(({ runId }) => runId));',
    why:
      'Attempt 1 fails and is reported; attempt 2 goes to the same slave; acknowledgement ' +
      'and assignment are lost with the link. The HELLO still names attempt 1, so that ' +
      'attempt 2 counts as held there: the run stays PENDING.assigned for as long as that ' +
      'slave lives.',
  },
  {
    name: 'welcome-of-a-dead-session',
    file: 'src/master/handshake.ts',
    find: `    if (!sessions.isCurrent(session)) return;
    sessions.send(session, {`,
    replace: `    sessions.send(session, {`,
    why:
      'The link breaks while the sizes of outputs are looked up, and the slave says HELLO ' +
      'again. The old session sets it online: a run is granted after the second HELLO is ' +
      'settled and before its welcome, the assignment is dropped, and the run stays ' +
      'PENDING.assigned.',
  },
  {
    name: 'unheard-assign-is-a-loss',
    file: 'src/master/handshake.ts',
    find: `    if (run.state === 'PENDING.assigned' && waitMs === undefined) {`,
    replace: `    if (run.state === 'NEW' && waitMs === undefined) {`,
    why:
      'A run with lostMax 1 is granted and the link blinks before the assignment arrives. ' +
      'The slave comes back within its lease without it: the run is FAILED for a lost ' +
      'slave, though it never started and no slave was lost.',
  },
  {
    name: 'acknowledged-before-disk',
    file: 'src/master/reports.ts',
    find: 'tx.after(() => acknowledge(session, finished, false));',
    replace: 'acknowledge(session, finished, false);',
    why:
      'A report is acknowledged while its commit waits for a slow disk; the slave deletes ' +
      'it; the master is killed. After the restart the run is RUNNING, nobody holds it, and ' +
      'it is executed again.',
  },
  {
    name: 'outputs-not-asked-again',
    file: 'src/master/reports.ts',
    find: `session.connection.close(isYardError(error) ? error.message : 'internal.outputs: failed');`,
    replace: `if (!isYardError(error)) session.connection.close('internal.outputs: failed');`,
    why:
      "The master's disk is full while a report's outputs are sealed; then there is room " +
      'again. The link stays up, so that the report is never repeated: the run stays ' +
      'RUNNING and its slot is taken until the link happens to break.',
  },
  {
    name: 'assign-overtakes-abort',
    file: 'src/master/assignments.ts',
    find: `if (now?.context.attempt !== attempt || now.state !== 'PENDING.assigned') {`,
    replace: 'if (now?.context.attempt !== attempt) {',
    why:
      'A second attempt is granted, and its origin is read from the store; the user aborts ' +
      'meanwhile. Stop reaches the slave before the assignment and means nothing there: the ' +
      'task starts after its abort, runs to its end, and its slot is given to others while ' +
      'it does.',
  },
  {
    name: 'unsent-assign-keeps-slot',
    file: 'src/master/assignments.ts',
    find: `    yard.vacate(slave, runId, attempt);
    const event = {`,
    replace: '    const event = {',
    why:
      'A run is aborted, or its slave drained, between grant and assignment. The slot stays ' +
      'taken: a slave of one slot is given nothing any more until it connects again.',
  },
  {
    name: 'suspended-slave-forgotten',
    file: 'src/master/hub.ts',
    find: `if (state === 'OFFLINE') continue;`,
    replace: `if (state !== 'ONLINE') continue;`,
    why:
      'A slave loses its link; within its lease the master restarts; the slave never comes ' +
      'back. No lease is set for it after the restart: its runs stay RUNNING for ever, or ' +
      'until their timeout.',
  },
  {
    name: 'standstill-ends-leases',
    file: 'src/master/leases.ts',
    find: `        if (clock.now() < lease.until) return wait();
`,
    replace: '',
    why:
      'The master stands still for longer than a lease, as when its machine sleeps. The ' +
      'heartbeats that wait in its sockets are heard and still every slave is lost: all ' +
      'that runs is given up, queued again and started a second time.',
  },
  {
    name: 'ahead-behind-the-head',
    file: 'src/master/placement.ts',
    find: `function endOfAhead({ items, first }: { items: Queued[]; first: number }): number {
  let index = first;`,
    replace: `function endOfAhead({ items }: { items: Queued[]; first: number }): number {
  let index = 0;`,
    why:
      'Runs of one class wait and some were taken; a slave is lost. Its run is queued again ' +
      'before the place that heads are taken from: it is never found, and waits until the ' +
      'master restarts.',
  },
  {
    name: 'queue-compaction-skips',
    file: 'src/master/placement.ts',
    find: `        list.items.splice(0, list.first);
        list.first = 0;`,
    replace: '        list.items.splice(0, list.first);',
    why:
      'Some two thousand runs of one class wait. After the first 1025 are taken, the list ' +
      'is cut and as many are passed over: they are given to nobody until the master ' +
      'restarts.',
  },
  {
    name: 'lost-attempt-is-settled',
    file: 'src/machines/run-changes.ts',
    find: `  lose: change<'slave.lost'>((context, event) => ({
    lost: context.lost + 1,`,
    replace: `  lose: change<'slave.lost'>((context, event) => ({
    settled: context.attempt,
    lost: context.lost + 1,`,
    why:
      'A partition outlasts the lease, and no other slave has room. The slave comes back ' +
      'with the finished work, which nobody else was granted: it is refused, forgotten, and ' +
      'done again.',
  },
  {
    name: 'abort-of-a-lost-process-fails',
    file: 'src/machines/run-guards.ts',
    find: `wasStopped: (step: Step) => endingIs(step, 'aborted', 'lost'),`,
    replace: `wasStopped: (step) => endingIs(step, 'aborted'),`,
    why:
      'A user aborts a run; its slave restarts before the process is dead and reports it ' +
      'lost. The run is FAILED by a lost slave, not ABORTED by that user, and a job tells ' +
      'its owner of a broken machine.',
  },
  {
    name: 'given-back-twice',
    file: 'src/machines/run-changes.ts',
    find: `    lost: context.lost + 1,
    settled: context.attempt,`,
    replace: '    lost: context.lost + 1,',
    why:
      'A slave restarts, reports an attempt lost in its HELLO, and repeats the report after ' +
      'the welcome, as it does with each. No slave has room, so that the run is still ' +
      'queued: one loss counts twice, and after two or three of them the run is FAILED for ' +
      'five.',
  },
  {
    name: 'silent-slave-suspended',
    file: 'src/machines/slave.ts',
    find: `'lease.expired': { target: 'OFFLINE', actions: ['noteGone', 'noteLoss', 'giveUpAttempts'] },`,
    replace: `'lease.expired': { target: 'SUSPENDED', actions: ['noteGone', 'noteLoss'] },`,
    why:
      'A slave loses power, so that its connection says nothing. Its lease ends, it becomes ' +
      'SUSPENDED, and no other lease follows: its runs are RUNNING on a dead machine and ' +
      'are never given to another.',
  },
  {
    name: 'deposed-master-obeyed',
    file: 'src/slave/agent.ts',
    find: `    if (!isServing()) return;
    setDrained(message.draining);`,
    replace: `    setDrained(message.draining);`,
    why:
      'A slave is welcomed by a new master, loses the link, and reaches an older one, such ' +
      'as a machine that was restored. That one knows none of its attempts and names them ' +
      'all as stale: the slave kills running tasks and deletes results that the new master ' +
      'waits for.',
  },
  {
    name: 'report-during-greeting',
    file: 'src/slave/held.ts',
    find: `        if (made) report(attempt, made, sizes.get(key));
        else if (phase`,
    replace: `        if (!made && phase`,
    why:
      'A slave reconnects and a task ends after the HELLO is out and before the welcome is ' +
      'in; or an outage left more reports than a HELLO takes. Those reports are not sent: ' +
      'their runs stay RUNNING until the link breaks again.',
  },
  {
    name: 'hello-holds-unfinished-only',
    file: 'src/slave/held.ts',
    find: `      const held = [...attempts.values()].slice(`,
    replace: `      const held = [...attempts.values()].filter(({ report: made }) => !made).slice(`,
    why:
      'A long outage leaves a slave with more reports than a HELLO takes. Those that follow ' +
      'the welcome are not named as held: their runs are given up and granted anew before ' +
      'they arrive, and finished work is refused and done again.',
  },
  {
    name: 'leaves-before-acknowledged',
    file: 'src/slave/agent.ts',
    find: `    if (context.leaving && held.isEmpty) {`,
    replace: `    const isOver = [...attempts.values()].every(({ report }) => report !== undefined);
    if (context.leaving && isOver) {`,
    why:
      'A slave drains and its last task ends with output. Goodbye leaves in the frame of ' +
      'the report: while the master seals the outputs the slave counts as gone, its run is ' +
      'lost, the result is dropped, and the task runs again elsewhere. If the link is down ' +
      "the report stays on the drained slave's disk.",
  },
  {
    name: 'dying-frees-slot',
    file: 'src/slave/held.ts',
    find: `    const room = dying.size > 0 ?`,
    replace: `    const room = dying.size < 0 ?`,
    why:
      'After a partition a slave of one slot is told to forget a stale attempt, and its ' +
      'processes take seconds to die. It takes the next assignment at once: two tasks run ' +
      'where one may, and if it is the same run they share what that run touches.',
  },
  {
    name: 'timed-out-after-its-end',
    file: 'src/slave/attempt.ts',
    find: `    const end = await execute(workspace);
    hasEnded = true;`,
    replace: '    const end = await execute(workspace);',
    why:
      'The task exits with 0 in time while the master is down, so that its outputs cannot ' +
      'be sent. The timeout passes before the master is back: the report says timed out, ' +
      'and the success is recorded as TIMEDOUT.',
  },
  {
    name: 'stop-while-preparing-ignored',
    file: 'src/slave/attempt.ts',
    find: `    aborting.abort(stopped());
    if (isRunning) end();`,
    replace: `    if (!isRunning) return;
    aborting.abort(stopped());
    end();`,
    why:
      'A user aborts while the bundle is still fetched. Nothing is cut short: the task ' +
      'starts afterwards and runs to its own end, long after the run is ABORTED.',
  },
  {
    name: 'stopped-outputs-not-flushed',
    file: 'src/slave/attempt.ts',
    find: 'await orAborted(tail!.flushed(), discarding.signal);',
    replace: 'if (!stopping) await orAborted(tail!.flushed(), discarding.signal);',
    why:
      'A task writes much and runs into its timeout while the master is slow or away. The ' +
      'report names bytes that were never sent; they cannot be sealed, the attempt counts ' +
      'as lost, and a task that timed out is executed again and again until the run is ' +
      'FAILED for lost slaves.',
  },
  {
    name: 'spooled-without-inline',
    file: 'src/slave/file-spool.ts',
    find: `      append(key, report);`,
    replace: `      const { inline: _, ...kept } = report;
      append(key, kept);`,
    // The simulator has a spool of its own.
    also: [
      {
        file: 'test/sim/journal.ts',
        find: `keepReport: async (key, report) => {`,
        replace: `keepReport: async (key, { inline: _, ...report }) => {`,
      },
    ],
    why:
      'A task ends with a line of output while the master is away, and the slave restarts ' +
      'before the master is back. The report from disk has no bytes, the outputs cannot be ' +
      'sealed: the attempt counts as lost and is executed again.',
  },
  {
    name: 'gap-resends-the-same',
    file: 'src/slave/outputs/sender.ts',
    find: `if (became === 'gap') sender.handed = sender.acknowledged = 0;`,
    replace: `if (became === 'gap') sender.handed = sender.acknowledged;`,
    why:
      "The master's machine loses power and with it output bytes that it had taken. The " +
      'slave offers the same offset for ever: the outputs are never flushed, the attempt ' +
      'never ends, and its slot is taken.',
  },
  {
    name: 'follow-loses-the-end',
    file: 'src/master/outputs.ts',
    find: `          const run = await findRun(runId);
          // A run that waits is followed into its first attempt.
          if (attempt === 0 && run) attempt = run.context.attempt;
          if (key !== outputKey(runId, attempt, stream)) continue;
          const over = !run || isDone(run.state) || run.context.attempt !== attempt;
          if (buggify(clock, 'master.follow.late')) await sleep(clock, 1_000);
          const held = await blobs.stat(key);`,
    replace: `          const held = await blobs.stat(key);
          if (buggify(clock, 'master.follow.late')) await sleep(clock, 1_000);
          const run = await findRun(runId);
          // A run that waits is followed into its first attempt.
          if (attempt === 0 && run) attempt = run.context.attempt;
          if (key !== outputKey(runId, attempt, stream)) continue;
          const over = !run || isDone(run.state) || run.context.attempt !== attempt;`,
    why:
      'A user follows an output. The size is looked at, then the last bytes arrive and the ' +
      'run ends, then the run is looked at: it is over, nothing is new, and the stream ends ' +
      'without its last lines, the ones that say why it failed.',
  },
  {
    name: 'sealed-not-synced',
    file: 'src/master/store/blob-growing.ts',
    find: `  await file.handle.sync();
  await rename(paths.part, paths.sealed);`,
    replace: '  await rename(paths.part, paths.sealed);',
    // The simulator keeps blobs of its own.
    also: [
      {
        file: 'test/sim/blobs.ts',
        find: `      blob.synced = held.bytes;
      wake(key);`,
        replace: `      wake(key);`,
      },
    ],
    why:
      'An output is sealed, the run is COMPLETE, the slave deletes its copy, and the ' +
      'machine of the master loses power. The sealed file is empty or short: the output of ' +
      'a done run is gone for good.',
  },
  {
    name: 'key-in-a-second-commit',
    file: 'src/master/submit.ts',
    find: '      tx.put(keys.submitKey(keyDigest), pack({ runId: id, contentDigest }));',
    replace: `      const value = pack({ runId: id, contentDigest });
      tx.after(() => void yard.transact((next) => next.put(keys.submitKey(keyDigest), value)));`,
    why:
      'A client submits with a key; the run is on disk, and the master is killed before the ' +
      'commit of the key. The client had no answer and repeats: there are two runs of one ' +
      'key, and both are executed.',
  },
  {
    name: 'blocker-ending-now',
    file: 'src/master/submit.ts',
    find: 'return run !== undefined && !isDone(run.state);',
    replace: 'return run !== undefined;',
    why:
      'A run is submitted after two others, one of them long done and looked up in the ' +
      'store. Meanwhile the other is decided done, its commit under way: the new run waits ' +
      'for what has told its dependents already, and is blocked until the master restarts.',
  },
  {
    name: 'stale-deadline-fires',
    shows: 'S33',
    file: 'src/master/deadlines.ts',
    find: 'if (current.get(least.name) !== least) continue;',
    replace: 'if (!current.has(least.name)) continue;',
    why:
      'A run was lost and runs again, so that an older deadline of it is still in the heap. ' +
      'The master stands still, and with another deadline the older one falls due in one ' +
      'go: the run is TIMEDOUT though its second attempt has most of its time left.',
  },
  {
    name: 'limits-of-the-one-before',
    file: 'src/master/origin.ts',
    find: `    latest.graceMs === graceMs &&
    latest.lostMax === lostMax`,
    replace: '    latest.graceMs === graceMs',
    why:
      'A run with lostMax 1 is submitted right after one with 5 and the same other limits. ' +
      'It gets 5: after the loss of its slave it is executed a second time, which its owner ' +
      'forbade. A restart reads limits in another order and may give it 1 again.',
  },
  {
    name: 'run-listed-twice',
    file: 'src/master/archive.ts',
    find: `      if (!a.done && idOf(a.value) === idOf(b.value)) a = await live.next();
`,
    replace: '',
    why:
      'Runs are listed; one ends after the scan of those that live has begun and before the ' +
      'scan of the done ones. It is listed twice, RUNNING and COMPLETE, and a page of N ' +
      'runs holds fewer.',
  },
  {
    name: 'watch-gap',
    file: 'src/master/feed.ts',
    find: `      followers.add(hear);
      const stop = () => {
        stopped = true;
        followers.delete(hear);
      };
      if (since !== undefined) await replay();`,
    replace: `      const stop = () => {
        stopped = true;
        followers.delete(hear);
      };
      if (since !== undefined) await replay();
      followers.add(hear);`,
    why:
      'A watcher connects again and asks for what it missed. A run ends after the store was ' +
      'scanned and before the watcher is on the list: it is never told, and a page shows ' +
      'RUNNING for ever.',
  },
  {
    name: 'elder-epoch-commits',
    file: 'src/master/store/group.ts',
    find: 'return lease !== undefined && lease.held && lease.epoch === fence.epoch;',
    replace: 'return lease !== undefined && lease.held && lease.epoch >= fence.epoch;',
    why:
      'A master hangs, another takes over its store, the first wakes up. Its commits are ' +
      'taken: it writes its old view of runs over the new one, and both grant and record.',
  },
  {
    name: 'exit-read-too-early',
    file: 'src/slave/execute/adopt.ts',
    find: `      const lives = process.root !== undefined && isAlive(process.root);
      const { end } = readExitRecord(process);`,
    replace: `      const { end } = readExitRecord(process);
      const lives = process.root !== undefined && isAlive(process.root);`,
    // The simulator has processes of its own.
    also: [
      {
        file: 'test/sim/exec.ts',
        find: `    kernel.after(0, KIND.process, () => on.ended(end), life);
    return { key, state: 'ended' };`,
        replace: `    const unread = { kind: 'signalled', signal: 'SIGKILL' } as const;
    kernel.after(0, KIND.process, () => on.ended(unread), life);
    return { key, state: 'ended' };`,
      },
    ],
    why:
      'A slave restarts and watches a task of its earlier process. Between the two looks ' +
      'the task exits with 0 and its lane writes that and goes: a success is recorded as ' +
      'signal SIGKILL.',
  },
];
