import { constants } from 'node:os';
import { ISOLATIONS } from '../../protocol/run.ts';
import type { Isolation } from '../../protocol/run.ts';
import type { AttemptKey, ProcessEnd } from '../ports.ts';

/** What an attempt's exit file says; it outlives the slave's process. */
export interface ExitRecord {
  /** The lane that runs the task, if one took it. */
  lane: LaneRecord | undefined;
  /** Undefined while the task runs, and for ever if its lane was killed. */
  end: ProcessEnd | undefined;
}

export interface LaneRecord {
  pid: number;
  startTime: string;
  isolation: Isolation;
  /** The directory of the attempt's control group, if it has one. */
  group: string | undefined;
}

const LANE_LINE = new RegExp(`^lane (\\d+) (\\d+) (\\S+) (${ISOLATIONS.join('|')})(?: (/.*))?$`);

/** The first name of each number: SIGABRT, not SIGIOT. */
const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals)
    .map(([name, number]): [number, string] => [number, name])
    .toReversed(),
);

/**
 * Reads the file whole. Its end is the attempt's: the lane's name and the attempt's key, what the
 * shell said of the task, `unstartable N` if it never ran, and at last `exit N`. Before that may be
 * what earlier attempts left, whose directory this was; of this one it says nothing.
 *
 * A shell gives 128+n both for signal n and for a task that exits so. It speaks of the former
 * ("Killed"), except for SIGINT and SIGPIPE, which therefore read as exited 130 and 141. Nothing
 * can be asked afterwards: only a parent hears how a child ended, dash forgets a foreground job
 * with its status, and `/proc` forgets the process. `jobs` would tell, but of a background job only,
 * and there dash makes every task ignore SIGINT for good, and traps break off `wait`. Any other way
 * is one more process for every task.
 */
export function parseExitFile(text: string, key: AttemptKey): ExitRecord {
  const lines = text.split('\n');
  const first = lines.findLastIndex((line) => LANE_LINE.test(line));
  const lane = LANE_LINE.exec(lines[first] ?? '');
  if (!lane || lane[3] !== key) return { lane: undefined, end: undefined };
  const status = /^exit (\d+)$/.exec(lines.at(-2) ?? '');
  const said = lines.slice(first + 1, -2).filter((line) => line !== '');
  return {
    lane: laneOf(lane),
    end: status && lines.at(-1) === '' ? endOf(Number(status[1]), said) : undefined,
  };
}

function laneOf([, pid, startTime, , isolation, group]: string[]): LaneRecord {
  return { pid: Number(pid), startTime: startTime!, isolation: isolation as Isolation, group };
}

function endOf(code: number, said: readonly string[]): ProcessEnd {
  const mark = /^unstartable (\d+)$/.exec(said.at(-1) ?? '');
  if (mark) return { kind: 'unstartable', why: whyOf(Number(mark[1]), said.at(-2)) };
  const refusal = said.find((line) => line.startsWith('bwrap: '));
  if (refusal) return { kind: 'unstartable', why: `could not exec: ${refusal}` };
  const signal = SIGNAL_NAMES.get(code - 128);
  if (signal && said.length > 0) return { kind: 'signalled', signal };
  return { kind: 'exited', code };
}

function whyOf(code: number, said: string | undefined): string {
  if (said) return `could not exec: ${said.replace(/^.*?: (?:line )?\d+: /, '')}`;
  if (code === 127) return 'could not exec: no such program';
  return 'could not exec: the program is not executable, or its arguments are too long';
}
