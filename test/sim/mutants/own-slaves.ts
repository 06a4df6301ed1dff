import type { Mutant } from './mutant.ts';

/** Bugs in what a slave does with its attempts, and their outputs on either side. */
export const SLAVES: readonly Mutant[] = [
  {
    name: 'gap-in-output-for-ever',
    source: 'own',
    why: 'found once: a master that lost output in a power cut was sent the same offset for ever',
    file: 'src/slave/outputs/sender.ts',
    find: `      if (became === 'gap') sender.handed = sender.acknowledged = 0;
      else {`,
    replace: `      if (became === 'gap') sender.handed = offset;
      else {`,
  },
  {
    name: 'slave-takes-all',
    source: 'own',
    why: 'a slave starts what it is given, whether or not it has a slot',
    file: 'src/slave/held.ts',
    find: `      return busy < ports.slots;`,
    replace: `      return busy < 1000;`,
    equivalent:
      'A second line of defence: S22 watches that each grant has room by what is on disk, and that ' +
      'no slave refuses a current one for want of it. So there is nothing that it turns down.',
  },
  {
    name: 'no-wait-for-the-dying',
    source: 'own',
    shows: 'S13',
    why: 'an attempt starts while what it takes the place of still runs',
    file: 'src/slave/held.ts',
    find: `    const room = dying.size > 0 ? Promise.all(dying).then(() => {}) : undefined;`,
    replace: `    const room = undefined;`,
  },
  {
    name: 'gone-process-succeeded',
    source: 'own',
    shows: 'S5',
    why: 'a process that is gone after a restart is reported as a success',
    file: 'src/slave/attempt.ts',
    find: `        ending: { kind: 'lost', why: 'the process was gone after a restart of the slave' },`,
    replace: `        ending: { kind: 'exited', code: 0 },`,
  },
  {
    name: 'taken-up-by-starting-again',
    source: 'own',
    shows: 'S11',
    why: 'a slave that restarts starts what it had instead of taking it over',
    file: 'src/slave/held.ts',
    find: `begin(assignment, { workspace: ports.workspaceAt(key) });`,
    replace: `begin(assignment);`,
  },
  {
    name: 'assignment-not-noted',
    source: 'own',
    shows: 'S19',
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
    file: 'src/slave/attempt.ts',
    find: `      await over;
      await workspaces.remove(key);`,
    replace: `      await over;
      if (!report) await workspaces.remove(key);`,
  },
  {
    name: 'bytes-from-the-start-again',
    source: 'own',
    shows: 'S28',
    why: 'output is sent with the offset of other bytes',
    file: 'src/slave/outputs/sender.ts',
    find: `read(sender.handed, `,
    replace: `read(0, `,
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
    name: 'refused-for-ever',
    source: 'own',
    shows: 'L5',
    why: 'a slave that was turned away three times does not try again',
    file: 'src/slave/agent.ts',
    find: `      clock.setTimeout(() => hear({ type: 'retry.due' }), ms);`,
    replace: `      if (context.tries < 4) clock.setTimeout(() => hear({ type: 'retry.due' }), ms);`,
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
        file: 'src/machines/run-deadline.ts',
        find: `  if (state.startsWith('RUNNING.') && limits.timeoutMs > 0 && startedAt !== undefined) {`,
        replace: `  if (state.startsWith('RUNNING.') && limits.timeoutMs > 1e9 && startedAt !== undefined) {`,
      },
    ],
  },
  {
    name: 'exclusive-outlives-its-lease',
    source: 'own',
    why: 'a slave without a lease lets exclusive attempts go on',
    file: 'src/slave/exclusive.ts',
    find: `    if (!lease) return;
    // Also`,
    replace: `    if (clock) return;
    // Also`,
  },
  {
    name: 'drain-forgotten-by-the-slave',
    source: 'own',
    why: 'a slave takes grants that were on their way when it was drained',
    file: 'src/slave/agent.ts',
    find: `    if (isDrained) return reject('drained');`,
    replace: ``,
    equivalent:
      'A second line of defence: once a drain is decided the master sends no grant, on whatever ' +
      'connection, and what it sent before arrives before the word of the drain. S15 watches that ' +
      'no grant reaches a slave that is drained.',
  },
  {
    name: 'attempt-of-its-own-accord',
    source: 'own',
    shows: 'S14',
    why: 'a slave that restarts begins what it had again, under a number of its own',
    file: 'src/slave/held.ts',
    find: `begin(assignment, { workspace: ports.workspaceAt(key) });`,
    replace: `begin({ ...assignment, attempt: assignment.attempt + 50 });`,
  },
  {
    name: 'no-end-told-while-drained',
    source: 'own',
    shows: 'L7',
    why: 'a slave that is drained tells the ends of its attempts only when it is resumed',
    file: 'src/slave/agent.ts',
    find: `      if (isServing()) outbox[`,
    replace: `      if (isServing() && !(isDrained && message.type === 'finished')) outbox[`,
    also: [
      {
        file: 'src/slave/agent.ts',
        find: `        return setDrained(false);`,
        replace: `        setDrained(false);
        return held.handIn(sizesHeld);`,
      },
    ],
  },
];
