import type { Mutant } from './mutant.ts';

/** Bugs in what master and slaves say to each other, on the master's side. */
export const SESSIONS: readonly Mutant[] = [
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
    name: 'slot-never-freed',
    source: 'own',
    why: 'a report does not free the slot of its attempt',
    file: 'src/master/reports.ts',
    find: `    yard.vacate(session.name, finished.runId, finished.attempt);`,
    replace: ``,
  },
  {
    name: 'earlier-session-heard',
    source: 'own',
    shows: 'S26',
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
    shows: 'S21',
    why: 'the results in a hello are not recorded before the rest of it is settled',
    file: 'src/master/handshake.ts',
    find: `    for (const finished of kept) reports.finish(tx, session, finished);`,
    replace: ``,
  },
  {
    name: 'held-attempts-stopped',
    source: 'own',
    shows: 'S20',
    why: 'a slave that comes back is told to stop what it holds',
    file: 'src/master/handshake.ts',
    find: `      if (run.state === 'RUNNING.stopping') verdicts.stop.push({ runId, attempt });`,
    replace: `      if (run.state !== 'UNKNOWN') verdicts.stop.push({ runId, attempt });`,
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
    name: 'exclusive-not-waited-for',
    source: 'own',
    shows: 'S24',
    why: 'the master grants an exclusive run anew as soon as its slave is lost',
    file: 'src/master/exclusive.ts',
    find: `  if (!facts.exclusive) return undefined;`,
    replace: `  if (facts.exclusive !== undefined) return undefined;`,
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
  {
    name: 'leases-grow-old',
    source: 'own',
    shows: 'L9',
    why: 'a lease is not renewed any more when it has been for some minutes',
    file: 'src/master/leases.ts',
    find: `      if (known && known.until <= until) {
        known.until = until;
        return;`,
    replace: `      if (known && known.until <= until) {
        known.endsAt ??= until + 150_000;
        if (until < known.endsAt) known.until = until;
        return;`,
  },
];
