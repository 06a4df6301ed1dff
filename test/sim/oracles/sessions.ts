/** S26, L5: who is not the current one, connection or master, changes nothing; who is, is answered. */
import type { ToMaster } from '../../../src/protocol/to-master.ts';
import type { SimSlave } from '../slave.ts';
import type { Change } from './mirror.ts';
import { KIND } from '../kernel.ts';
import type { MakeOracle, Session } from './oracle.ts';

/** A welcome leaves within the turn that opens its slave to work; a slow machine takes longer. */
const OPENED_MS = 1_000;
/** A hello is answered within so many of these: a master that stands still loses one of them. */
const GREETING_MS = 5_000;
const GREETINGS_MAX = 4;

export const sessionOracles: MakeOracle = (sight) => {
  const { mirror, master, report } = sight;
  /** What slaves held when an elder master welcomed them, and as which process. */
  const unmoved = new Map<SimSlave, { life: SimSlave['life']; keys: string[] }>();
  /** Whose slave said goodbye: what was still to be said to it may be said. */
  const left = new WeakSet<Session>();
  /** Since when each slave can be given work while nobody who was welcomed speaks for it. */
  const openedAtMs = new Map<string, number>();

  /** Who has seen a later master, of wherever, has nothing to say to this one but who it is. */
  function checkObeys({ plan, journal }: SimSlave, { type }: ToMaster): void {
    const epoch = master.master?.epoch;
    if (type === 'hello' || epoch === undefined || journal.epoch <= epoch) return;
    report('S26', `${plan.name} says ${type} to master ${epoch}, and has seen ${journal.epoch}`);
  }

  /** What an elder master says of its attempts is nothing to it: it has them when it says hello again. */
  function checkKept(slave: SimSlave): void {
    const { life, keys } = unmoved.get(slave) ?? {};
    unmoved.delete(slave);
    if (life !== slave.life) return;
    for (const key of keys ?? []) {
      if (slave.agent?.attempts.has(key)) continue;
      report('S26', `${slave.plan.name} dropped ${key} at the word of an elder master`);
    }
  }

  /** Once a later master has the store, an elder one writes nothing. */
  function checkDeposed({ runs, steps, slaves, jobs }: Change): void {
    const epoch = master.master?.epoch;
    if (epoch === undefined || epoch >= mirror.epoch) return;
    if (runs.length + steps.length + slaves.length + jobs.length === 0) return;
    report('S26', `master ${epoch} writes, and ${mirror.epoch} has taken over`);
  }

  /** What was begun on a connection that is over opens no slave to work. */
  function checkOpened(): void {
    for (const { name, online } of master.master?.yard.rooms.values() ?? []) {
      const session = master.sessions.get(name);
      if (!online || (session?.welcomed && !session.isOver)) {
        openedAtMs.delete(name);
        continue;
      }
      const since = openedAtMs.get(name) ?? sight.nowMs;
      openedAtMs.set(name, since);
      const ms = sight.nowMs - since;
      if (ms < OPENED_MS) continue;
      report('S26', `${name} is open to work for ${Math.round(ms)} ms without a welcome`);
    }
  }

  /** Slaves wait for a welcome as long as their link lives: somebody must say something. */
  function awaitWelcome(session: Session, looks = 1): void {
    const { life } = master;
    if (!life) return;
    const look = () => {
      const isCurrent = master.sessions.get(session.slave ?? '') === session;
      if (!isCurrent || session.welcomed || session.isOver) return;
      if (looks < GREETINGS_MAX) return awaitWelcome(session, looks + 1);
      const ms = looks * GREETING_MS;
      report('L5', `${session.slave} said hello, and has no answer after ${ms} ms`);
    };
    sight.kernel.after(GREETING_MS * 1000, KIND.world, look, life);
  }

  return {
    onMasterHears(session, { type }) {
      if (type === 'hello') awaitWelcome(session);
      if (type === 'goodbye') left.add(session);
    },
    onMasterSends(session, { type }) {
      if (type === 'welcome') openedAtMs.delete(session.slave ?? '');
      const current = master.sessions.get(session.slave ?? '');
      if (!current || current === session || session.isOver || left.has(session)) return;
      if (type === 'refuse') return;
      report('S26', `${type} is said to ${session.slave} on a connection that was replaced`);
    },
    onCommit(isEmpty, because) {
      checkOpened();
      if (isEmpty || !because?.slave) return;
      const current = master.sessions.get(because.slave);
      if (current !== because) {
        report('S26', `a frame of an earlier connection of ${because.slave} changed something`);
      }
    },
    onChange: checkDeposed,
    onMasterServes: () => openedAtMs.clear(),
    onSlaveHears(slave, message) {
      const { life, agent, journal } = slave;
      if (message.type === 'welcome' && agent && message.masterEpoch < journal.epoch) {
        unmoved.set(slave, { life, keys: [...agent.attempts.keys()] });
      }
    },
    onSlaveSends(slave, message) {
      if (message.type === 'hello') checkKept(slave);
      checkObeys(slave, message);
    },
  };
};
