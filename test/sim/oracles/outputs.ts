/** S5, S6, S19, S28: what is recorded of an end and its outputs is what really happened. */
import { sha256Of } from '../../../src/base/sha256.ts';
import type { ArtifactFacts, Ending, OutputFacts } from '../../../src/protocol/run.ts';
import type { RunContext } from '../../../src/machines/run-context.ts';
import { isDone } from '../../../src/protocol/run.ts';
import { STREAMS } from '../../../src/protocol/outputs.ts';
import { artifactKey, outputKey } from '../../../src/master/outputs.ts';
import type { FinishedReport } from '../../../src/protocol/to-master.ts';
import type { SimProcess } from '../exec.ts';
import type { SimSlave } from '../slave.ts';
import { finalOf } from '../tasks.ts';
import type { TaskArtifact } from '../tasks.ts';
import type { MakeOracle } from './oracle.ts';

/** Until a slave has heard that a process of its has ended. */
const NOTICED_MS = 1_000;

export const outputOracles: MakeOracle = (sight) => {
  const { scenario, blobs, report } = sight;
  /** Processes by attempt, from their spawn on. */
  const processes = new Map<string, SimProcess>();
  /** How many bytes each run may write to a stream. */
  const limits = new Map<string, number>();
  const checked = new Set<string>();
  /** When its slave heard of each attempt: its timeout runs from there. */
  const heardAtMs = new Map<string, number>();
  /** What ended by itself before its timeout, on a machine that could see it. */
  const inTime = new Set<string>();
  /** How each attempt's end was first told, and how often its slave had lost something by then. */
  const told = new Map<string, { slave: SimSlave; ending: string; losses: number }>();
  /** Up to where each output ever reached the master. */
  const handedOn = new Map<string, number>();
  const limitOf = new Map(
    scenario.runs.map(({ index, request }) => [index, request.outputBytesMax]),
  );

  function checkEnd(key: string, ending: Ending): void {
    if (ending.kind === 'timedOut' && ending.which === 'run' && inTime.has(key)) {
      report('S5', `${key} is recorded as timed out, and ended in time`);
    }
    if (ending.kind !== 'exited' && ending.kind !== 'signalled') return;
    const real = processes.get(key)?.end;
    if (!real) return report('S5', `${key} is recorded as ${ending.kind} and has not ended`);
    const isIt =
      ending.kind === 'exited'
        ? real.kind === 'exited' && real.code === ending.code
        : real.kind === 'signalled' && real.signal === ending.signal;
    if (!isIt) report('S5', `${key} ended ${JSON.stringify(real)}, not ${JSON.stringify(ending)}`);
  }

  function noteExit({ life, agent }: SimSlave, { key, end, behaviour }: SimProcess): void {
    const heardMs = heardAtMs.get(key);
    const limitMs = agent?.attempts.get(key)?.assignment.timeoutMs ?? 0;
    if (heardMs === undefined || limitMs === 0 || end !== behaviour.end) return;
    if (!life?.alive || life.paused || life.costUs > 0) return;
    if (sight.nowMs - heardMs + NOTICED_MS < limitMs * 0.999) inTime.add(key);
  }

  /** It is on disk by then, so that whoever tells it again tells the same, or that it is lost. */
  function checkTold(slave: SimSlave, finished: FinishedReport): void {
    const { plan, journal } = slave;
    const key = `${finished.runId}.${finished.attempt}`;
    checkHandedOn(plan.name, key, finished);
    const { refused, losses, directories } = journal;
    if (refused.has(key)) return;
    if (!directories.get(key)?.report) {
      report('S19', `${plan.name} tells the end of ${key}, and has not noted it`);
    }
    const ending = JSON.stringify(finished.ending);
    const first = told.get(key);
    if (first?.slave !== slave || first.losses !== losses) {
      told.set(key, { slave, ending, losses });
    } else if (first.ending !== ending && finished.ending.kind !== 'lost') {
      report('S5', `${plan.name} told ${first.ending} of ${key}, and now ${ending}`);
    }
  }

  /** Bytes that are named and not in the report the master has been given, whether it kept them or not. */
  function checkHandedOn(slave: string, key: string, { outputs, inline }: FinishedReport): void {
    const run = runOf(key);
    const fold = sight.mirror.folds.get(run);
    if (!outputs || inline || !fold || isDone(fold.state)) return;
    const { attempt } = fold.context;
    // Of others the master takes no bytes any more.
    if (key !== `${run}.${attempt}`) return;
    for (const stream of STREAMS) {
      const { bytes } = outputs[stream];
      const given = handedOn.get(outputKey(run, attempt, stream)) ?? 0;
      if (given < bytes) {
        report('S19', `${slave} names ${bytes} bytes of ${stream} of ${key}, and gave ${given}`);
      }
    }
  }

  /** The master gives up what should be over: only when it has really had its time. */
  function checkOverdue(run: string, { attempt, limits: { timeoutMs } }: RunContext): void {
    const process = processes.get(`${run}.${attempt}`);
    if (!process) return;
    const ageMs = sight.nowMs - process.startedAt / 1000;
    if (ageMs < timeoutMs * 0.99) {
      report('S5', `${process.key} is timed out after ${Math.round(ageMs)} of ${timeoutMs} ms`);
    }
  }

  function checkOutputs(run: string, attempt: number, outputs: OutputFacts): void {
    const key = `${run}.${attempt}`;
    const process = processes.get(key);
    const limit = limits.get(run) ?? Infinity;
    for (const stream of STREAMS) {
      const { bytes, sha256 } = outputs[stream];
      if (process?.end) {
        const age = (process.endedAt - process.startedAt) / 1000;
        const real = finalOf(process.behaviour.output, stream, age, limit).bytes;
        if (real.length !== bytes || (bytes > 0 && sha256Of(real) !== sha256)) {
          report('S6', `${stream} of ${key} has ${real.length} bytes, ${bytes} are named`);
        }
      }
      if (bytes === 0) continue;
      const held = blobs.find(outputKey(run, attempt, stream));
      if (!held?.sealed || held.synced < bytes || held.bytes.length !== bytes) {
        report('S6', `${stream} of ${key} is not there in full`);
      } else if (sha256Of(held.bytes) !== sha256) {
        report('S6', `${stream} of ${key} has other bytes than were named`);
      }
    }
  }

  /**
   * What is named is there, of whatever ending. Of a completed run that is all that the task left,
   * or none: with a note that says why.
   */
  function checkArtifacts(run: string, state: string, context: RunContext): void {
    const { attempt, artifacts = [], notes = [] } = context;
    const key = `${run}.${attempt}`;
    for (const { name, bytes, sha256 } of artifacts) {
      const held = blobs.find(artifactKey(run, attempt, name));
      if (!held?.sealed || held.bytes.length !== bytes || sha256Of(held.bytes) !== sha256) {
        report('S6', `artifact ${name} of ${key} is not there in full`);
      }
    }
    const process = processes.get(key);
    if (!process || state !== 'COMPLETE') return;
    const isNoted = notes.some((note) => note.startsWith('artifact.limit'));
    const left = process.behaviour.litters ? [] : process.behaviour.artifacts;
    if (isNoted !== process.behaviour.litters || !isSameFiles(left, artifacts)) {
      report('S6', `${key} left ${left.length} artifacts, ${artifacts.length} are named`);
    }
  }

  return {
    onSpawn(_slave, process) {
      processes.set(process.key, process);
      const [, index] = process.argv;
      limits.set(runOf(process.key), limitOf.get(Number(index)) ?? Infinity);
    },
    onExit: noteExit,
    onSlaveHears(_slave, message) {
      if (message.type !== 'assign') return;
      const key = `${message.runId}.${message.attempt}`;
      if (!heardAtMs.has(key)) heardAtMs.set(key, sight.nowMs);
    },
    onSlaveSends(slave, message) {
      if (message.type === 'finished') checkTold(slave, message);
      if (message.type === 'hello') for (const made of message.reports) checkTold(slave, made);
    },
    onChange({ steps, runs }) {
      for (const { event, before } of steps) {
        const { type, attempt, ending } = event.event;
        if (type === 'attempt.finished')
          checkEnd(`${event.run}.${String(attempt)}`, ending as Ending);
        if (type === 'run.overdue') checkOverdue(event.run, before.context);
      }
      for (const { id, state, context } of runs) {
        const { outputs, settled, attempt } = context;
        if (isDone(state)) checkArtifacts(id, state, context);
        if (!outputs || settled !== attempt || checked.has(id)) continue;
        checked.add(id);
        checkOutputs(id, attempt, outputs);
      }
    },
    onAppend(key, offset, bytes, size) {
      handedOn.set(key, Math.max(handedOn.get(key) ?? 0, offset + bytes.length));
      if (offset > size) report('S28', `${key}: bytes at ${offset} after ${size}`);
      const [, run, attempt, stream] = key.split('/') as [string, string, string, 'stdout'];
      const process = processes.get(`${run}.${attempt}`);
      if (!process) return report('S28', `${key}: bytes of an attempt that never ran`);
      const { output } = process.behaviour;
      const real = finalOf(output, stream, Infinity, limits.get(run) ?? Infinity).bytes;
      const there = Buffer.from(real.subarray(offset, offset + bytes.length));
      // What the limit cuts is marked only at the end: until then only what is before it counts.
      if (!there.equals(bytes) && isBeforeMark(process, offset + bytes.length, limits.get(run))) {
        report('S28', `${key}: other bytes at ${offset} than the task wrote`);
      }
    },
  };

  function isBeforeMark(process: SimProcess, end: number, limit = Infinity): boolean {
    return process.end?.kind === 'exited' || end <= limit;
  }
};

function isSameFiles(left: readonly TaskArtifact[], named: readonly ArtifactFacts[]): boolean {
  return (
    left.length === named.length &&
    left.every(({ name, bytes }, at) => {
      return named[at]!.name === name && named[at]!.sha256 === sha256Of(bytes);
    })
  );
}

function runOf(key: string): string {
  return key.slice(0, key.lastIndexOf('.'));
}
