/**
 * What must happen sometimes: situations that the promises are about. A range of seeds in which one
 * never occurred has not tried it (dst.md part 5, "probes").
 */
import type { Ending } from '../../../src/protocol/run.ts';
import type { Step } from './mirror.ts';
import type { MakeOracle } from './oracle.ts';

export const PROBES = {
  'a lost attempt is heard after all': 'its report counts, as no newer one was granted',
  'a lost attempt comes back and goes on': 'adopted from the queue',
  'a report is stale': 'a newer attempt had been granted',
  'a hello hands in a result': 'finished while the link was down',
  'outputs are sent again': 'the master lost them, or could not seal them',
  'a grant is turned down': 'rejected by its slave, or never taken',
  'a run is lost once too often': 'it ends FAILED',
  'a retry is used': 'a failure is tried again',
  'an abort meets a running attempt': 'stopped by its slave',
  'an abort meets a run that has just ended': 'the answer is another end',
  'an aborted attempt is never heard of again': 'the master ends it by itself',
  'a run waits too long in the queue': 'TIMEDOUT',
  'a run takes too long': 'ended by its slave',
  'a run is silent for too long': 'ended by its slave',
  'the backstop ends a run': 'its slave could not',
  'an exclusive attempt ends with its lease': 'no renewal came in time',
  'an exclusive run waits for the dead': 'its lost attempt might have lived',
  'a process dies with its slave away': 'killed by the machine at the end of the lease',
  'a process is taken over': 'by the next process of its slave',
  'a process is gone after a restart': 'reported lost at once',
  'a second slave of a name is refused': 'hello.duplicate',
  'a strange release is refused': 'proto.unsupported',
  'a slave of the release before is welcomed': 'protocol 1.0',
  'a slave that is away is drained': 'settled by its return or its lease',
  'a drained slave comes back drained': 'from its own disk',
  'output is cut at its limit': 'marked in bytes and facts',
  'a task leaves children behind': 'and they are ended',
  'a master starts on runs that run': 'it waits for their slaves',
  'a master dies with a write under way': 'that may have happened',
} as const satisfies Record<string, string>;

export type Probe = keyof typeof PROBES;

export const probeOracle: MakeOracle = ({ master, mirror, slaves, disk, probe }) => {
  /** Streams whose first bytes came already. */
  const resent = new Set<string>();

  function lookAtFinished({ event: { event }, before, after }: Step): void {
    const ending = event['ending'] as Ending;
    if (before.state.startsWith('PENDING.') && before.context.slave === undefined) {
      probe('a lost attempt is heard after all');
    }
    if (after.state === 'PENDING.backoff') probe('a retry is used');
    if (ending.kind === 'timedOut') {
      probe(ending.which === 'run' ? 'a run takes too long' : 'a run is silent for too long');
    }
    if (ending.kind === 'lost') {
      if (/exclusive/.test(ending.why)) probe('an exclusive attempt ends with its lease');
      if (/after a restart/.test(ending.why)) probe('a process is gone after a restart');
    }
    const { outputs, notes } = after.context;
    if (outputs && outputs.combined.droppedBytes > 0) probe('output is cut at its limit');
    if (notes?.some((note) => note.includes('pipe_held'))) probe('a task leaves children behind');
  }

  function look(step: Step): void {
    const { event, before, after } = step;
    switch (event.event.type) {
      case 'attempt.finished':
        return lookAtFinished(step);
      case 'attempt.adopted':
        if (before.context.slave === undefined) probe('a lost attempt comes back and goes on');
        return;
      case 'attempt.rejected':
        return probe('a grant is turned down');
      case 'slave.lost':
        if (after.state === 'FAILED') probe('a run is lost once too often');
        if (after.context.waitMs !== undefined) probe('an exclusive run waits for the dead');
        return;
      case 'abort.requested':
        if (after.state === 'RUNNING.stopping') probe('an abort meets a running attempt');
        return;
      case 'stop.overdue':
        return probe('an aborted attempt is never heard of again');
      case 'queue.expired':
        return probe('a run waits too long in the queue');
      case 'run.overdue':
        return probe('the backstop ends a run');
      default:
    }
  }

  return {
    onChange({ steps }) {
      for (const step of steps) look(step);
    },
    onMasterSends(_session, message) {
      if (message.type === 'acknowledge' && message.stale) probe('a report is stale');
      if (message.type === 'refuse') {
        if (message.code === 'hello.duplicate') probe('a second slave of a name is refused');
        if (message.code === 'proto.unsupported') probe('a strange release is refused');
      }
      if (message.type === 'welcome' && message.protocol === '1.0') {
        probe('a slave of the release before is welcomed');
      }
    },
    onMasterHears(_session, message) {
      if (message.type !== 'hello') return;
      if (message.reports.length > 0) probe('a hello hands in a result');
      if (message.draining) probe('a drained slave comes back drained');
    },
    onAppend(key, offset, _bytes, size) {
      const [, run = '', attempt] = key.split('/');
      const context = mirror.folds.get(run)?.context;
      if (!context || String(context.attempt) !== attempt || size > 0 || offset > 0) return;
      if (resent.has(key)) probe('outputs are sent again');
      resent.add(key);
    },
    onExit(slave, { end }) {
      const isKilled = end?.kind === 'signalled' && end.signal === 'SIGKILL';
      if (isKilled && !slave.life?.alive) probe('a process dies with its slave away');
    },
    onSlaveSends(slave, message) {
      if (message.type !== 'hello') return;
      for (const { runId, attempt, phase } of message.held) {
        const process = slave.processes.all.get(`${runId}.${attempt}`);
        const isElders = process && process.startedAt < slave.upSince;
        if (isElders && phase !== 'finished') probe('a process is taken over');
      }
    },
    onAnswer(answer) {
      if (answer.kind === 'aborted' && answer.status.state !== 'ABORTED') {
        probe('an abort meets a run that has just ended');
      }
      if (answer.kind === 'drained' && !slaves.get(answer.slave)?.agent) {
        probe('a slave that is away is drained');
      }
    },
    onMasterServes() {
      const isRunning = master.master?.yard.ledger
        .liveRuns()
        .some(({ state }) => state.startsWith('RUNNING'));
      if (isRunning) probe('a master starts on runs that run');
    },
    onEnd() {
      for (let i = 0; i < disk.settled; i++) probe('a master dies with a write under way');
    },
  };
};
