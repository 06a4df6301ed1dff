/**
 * What really happened, held against what is promised: the final state goes through fsck, its
 * history and what clients were told through the simulator's oracles, and the tasks' own marks tell
 * which attempts ran, where, and how they ended.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { formatFinding } from '../../src/master/fsck/finding.ts';
import { checkState } from '../../src/master/fsck/fsck.ts';
import { openReadOnly } from '../../src/master/store/read-only.ts';
import type { Ending } from '../../src/protocol/run.ts';
import type { SimProcess } from '../sim/exec.ts';
import { attemptOracles } from '../sim/oracles/attempts.ts';
import { clientOracles } from '../sim/oracles/clients.ts';
import { historyOracles } from '../sim/oracles/history.ts';
import { makeMirror } from '../sim/oracles/mirror.ts';
import type { Change, Mirror } from '../sim/oracles/mirror.ts';
import type { Answer, Sight } from '../sim/oracles/oracle.ts';
import type { SimSlave } from '../sim/slave.ts';
import type { Task } from './tasks.ts';

export interface Evidence {
  state: string;
  /** Where tasks left their marks, a file for each slave. */
  marks: string;
  scratch: string;
  answers: readonly Answer[];
  tasks: readonly Task[];
  slots: number;
  /** Only the master had faults. */
  isMasterOnly: boolean;
}

export interface Verdict {
  violations: string[];
  runs: number;
  events: number;
  /** Attempts that really began. */
  started: number;
}

export async function judge(evidence: Evidence): Promise<Verdict> {
  const violations: string[] = [];
  const report = (oracle: string, what: string) => void violations.push(`${oracle}: ${what}`);
  const ports = { clock: systemClock, random: systemRandom, pid: process.pid };
  const { scratch } = evidence;
  const { runs, events } = await checkState({
    directory: evidence.state,
    deep: true,
    scratch,
    onFinding: (finding) => violations.push(formatFinding(finding)),
    ...ports,
  });
  const breaches = join(evidence.state, 'breaches');
  for (const name of existsSync(breaches) ? readdirSync(breaches) : []) report('monitor', name);
  const state = await openReadOnly(evidence.state, { scratch, onFault: () => {}, ...ports });
  if (!state) return { violations, runs, events, started: 0 };
  const mirror = makeMirror(report);
  const [keys, values]: [string[], Uint8Array[]] = [[], []];
  for await (const { key, value } of state.scan({})) {
    keys.push(key);
    values.push(value);
  }
  await state.close();
  // All of it as one group: each event is still looked at by itself, in order.
  const change = mirror.read({ keys, values, revs: [], firstRev: 1, lastRev: state.rev });
  const marks = readMarks(evidence.marks);
  hear(evidence, { mirror, change, marks, report });
  checkEnds(evidence.tasks, { mirror, change, marks, report });
  const started = marks.filter(({ what }) => what === 'start').length;
  return { violations: [...new Set(violations)], runs, events, started };
}

interface Heard {
  mirror: Mirror;
  change: Change;
  marks: readonly Mark[];
  report: (oracle: string, what: string) => void;
}

/** Plays what was noted to those of the simulator's oracles that need no more than that. */
function hear(evidence: Evidence, { mirror, change, marks, report }: Heard): void {
  const sight = {
    mirror,
    report,
    scenario: { profile: evidence.isMasterOnly ? 'master' : 'everything' },
    blobs: { torn: new Map() },
    nowMs: 0,
  } as unknown as Sight;
  const oracles = [historyOracles, clientOracles, attemptOracles].map((make) => make(sight));
  // Before the change: what was started is known when its loss is read.
  const slaves = new Map<string, SimSlave>();
  mirror.keep(change);
  const processes = new Map<string, SimProcess>();
  for (const { what, key, slave: name, at } of marks) {
    const slave = slaves.get(name) ?? slaveOf(name, evidence.slots);
    slaves.set(name, slave);
    const process = processOf(key, at, marks);
    if (what === 'start') {
      const known = processes.get(key);
      processes.set(key, process);
      slave.processes.all.set(key, process);
      for (const oracle of oracles) oracle.onSpawn?.(slave, process);
      if (known) known.end = { kind: 'exited', code: 0 };
    } else {
      const ended = processes.get(key);
      if (ended) ended.end = { kind: 'exited', code: 0 };
    }
  }
  for (const answer of evidence.answers) {
    // Each was asked for after the one before was heard.
    for (const oracle of oracles) oracle.onAnswer?.(answer, Infinity);
  }
  for (const oracle of oracles) oracle.onChange?.(change);
  for (const oracle of oracles) oracle.onMasterServes?.();
}

function slaveOf(name: string, slots: number): SimSlave {
  const plan = { name, arch: ARCH, labels: {}, slots, resources: {} };
  const all = new Map<string, SimProcess>();
  const processes = {
    all,
    get alive() {
      return [...all.values()].filter(({ end }) => !end);
    },
  };
  return { plan, processes } as unknown as SimSlave;
}

/** Of this machine, in the words of the protocol. */
const ARCH = process.arch === 'arm64' ? 'aarch64' : 'x86_64';

/** One that was killed left no mark of its end: when it ended is not known, so it fills no slot. */
function processOf(key: string, startedAt: number, marks: readonly Mark[]): SimProcess {
  const hasEnd = marks.some((mark) => mark.key === key && mark.what !== 'start');
  const end = hasEnd ? undefined : { kind: 'signalled', signal: 'SIGKILL' };
  return { key, startedAt, end } as unknown as SimProcess;
}

interface Mark {
  what: string;
  /** `RUN.ATTEMPT`. */
  key: string;
  slave: string;
  /** Nanoseconds since 1970. */
  at: number;
}

function readMarks(directory: string): Mark[] {
  const marks = readdirSync(directory).flatMap((slave) =>
    readFileSync(join(directory, slave), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [what, key, at] = line.split(' ') as [string, string, string];
        return { what, key, slave, at: Number(at) };
      }),
  );
  return marks.toSorted((a, b) => a.at - b.at);
}

/** S5 and S6: an end that is recorded is one that a task left, with all that it wrote. */
function checkEnds(tasks: readonly Task[], { mirror, change, marks, report }: Heard): void {
  const ends = new Map(marks.filter(({ what }) => what !== 'start').map((one) => [one.key, one]));
  const byName = new Map(tasks.map((task) => [task.request.name, task]));
  for (const { event } of change.steps) {
    if (event.event.type !== 'attempt.finished') continue;
    const { attempt, ending } = event.event as unknown as { attempt: number; ending: Ending };
    if (ending.kind !== 'exited') continue;
    const key = `${event.run}.${attempt}`;
    const real = ends.get(key)?.what;
    if (real !== `end:${ending.code}`) {
      report(
        'S5',
        `${key} is recorded to have exited ${ending.code}, its mark says ${real ?? 'nothing'}`,
      );
    }
  }
  for (const { id, state, facts, context } of mirror.runs.values()) {
    const task = byName.get(facts.name);
    if (!task) report('S5', `run ${id} is none that was asked for`);
    else if (state === 'COMPLETE' && context.ending?.kind === 'exited') {
      if (context.outputs?.stdout.sha256 === task.sha256) continue;
      report('S6', `stdout of run ${id} is not what the task wrote`);
    }
  }
}
