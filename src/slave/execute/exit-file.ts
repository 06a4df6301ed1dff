import { constants } from 'node:os';
import { ISOLATIONS } from '../../protocol/run.ts';
import type { Isolation } from '../../protocol/run.ts';
import type { ProcessEnd } from '../ports.ts';

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

const LANE_LINE = new RegExp(`^lane (\\d+) (\\d+) (${ISOLATIONS.join('|')})(?: (/.*))?$`);

/** The first name of each number: SIGABRT, not SIGIOT. */
const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals)
    .map(([name, number]): [number, string] => [number, name])
    .toReversed(),
);

/**
 * Reads the file whole: the lane's name, what the shell said of the task, `unstartable N` if it
 * never ran, and at last `exit N`.
 *
 * A shell gives 128+n both for signal n and for a task that exits so. It speaks of the former
 * ("Killed"), except for SIGINT and SIGPIPE, which therefore read as exited 130 and 141.
 */
export function parseExitFile(text: string): ExitRecord {
  const lines = text.split('\n');
  const lane = LANE_LINE.exec(lines[0] ?? '');
  const status = /^exit (\d+)$/.exec(lines.at(-2) ?? '');
  const said = lines.slice(lane ? 1 : 0, -2).filter((line) => line !== '');
  return {
    lane: lane ? laneOf(lane) : undefined,
    end: status && lines.at(-1) === '' ? endOf(Number(status[1]), said) : undefined,
  };
}

function laneOf([, pid, startTime, isolation, group]: string[]): LaneRecord {
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
