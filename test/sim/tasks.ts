/** What a task does on a simulated machine: how long, what it writes, how it ends. */
import { sha256Of } from '../../src/base/sha256.ts';
import type { ProcessEnd } from '../../src/slave/ports.ts';
import type { Stream } from '../../src/protocol/outputs.ts';
import { truncationMark } from '../../src/slave/outputs/source-file.ts';
import type { Draw } from './draw.ts';

/** Chances of what each try of a run does. */
export interface TaskPlan {
  durationMinMs: number;
  durationMaxMs: number;
  failRate: number;
  signalRate: number;
  hangRate: number;
  ignoreTermRate: number;
  childRate: number;
  quietRate: number;
  floodRate: number;
  unstartableRate: number;
  /** Of leaving files behind that are to be kept. */
  artifactRate?: number;
  /** Of leaving more of them than may be kept. */
  litterRate?: number;
}

/** What some runs execute on: a few bytes stand for a tree. */
export const BUNDLES = [1, 2].map((number) => {
  const bytes = Buffer.from(`bundle ${number}`);
  return { id: `fs-${sha256Of(bytes)}`, bytes };
});

export interface Behaviour {
  unstartable: boolean;
  /** Infinity: it hangs. */
  durationMs: number;
  end: ProcessEnd;
  ignoresTerm: boolean;
  /** Processes that it leaves behind, and how long they go on by themselves. */
  children: number;
  childrenMs: number;
  output: TaskOutput;
  artifacts: readonly TaskArtifact[];
  /** It left more than may be kept: none of it is. */
  litters: boolean;
}

export interface TaskArtifact {
  name: string;
  bytes: Uint8Array;
}

/** The bytes that a task writes, and when, in milliseconds from its start. */
export interface TaskOutput {
  chunks: readonly { atMs: number; stream: 'stdout' | 'stderr'; bytes: Uint8Array }[];
}

/** What the `attempt`th try of a run does: the same whenever and wherever it is made. */
export function drawBehaviour(draw: Draw, plan: TaskPlan, key: string): Behaviour {
  const hangs = draw.chance(plan.hangRate);
  const durationMs = draw.between(plan.durationMinMs, plan.durationMaxMs);
  return {
    unstartable: draw.chance(plan.unstartableRate),
    durationMs: hangs ? Infinity : durationMs,
    end: drawEnd(draw, plan),
    ignoresTerm: draw.chance(plan.ignoreTermRate),
    children: draw.chance(plan.childRate) ? draw.int(1, 3) : 0,
    childrenMs: draw.between(0, 5000),
    output: drawOutput(draw, plan, durationMs, key),
    artifacts: drawArtifacts(draw.fork('artifacts'), plan, key),
    litters: draw.fork('litter').chance(plan.litterRate ?? 0),
  };
}

function drawArtifacts(draw: Draw, { artifactRate = 0 }: TaskPlan, key: string): TaskArtifact[] {
  if (!draw.chance(artifactRate)) return [];
  return Array.from({ length: draw.int(1, 3) }, (_, number) => ({
    name: `logs/${number}.txt`,
    bytes: Buffer.from(`artifact ${number} of ${key}`.repeat(draw.int(0, 20))),
  }));
}

function drawEnd(draw: Draw, plan: TaskPlan): ProcessEnd {
  if (draw.chance(plan.failRate)) return { kind: 'exited', code: draw.int(1, 255) };
  if (draw.chance(plan.signalRate)) return { kind: 'signalled', signal: 'SIGSEGV' };
  return { kind: 'exited', code: 0 };
}

function drawOutput(draw: Draw, plan: TaskPlan, durationMs: number, key: string): TaskOutput {
  if (draw.chance(plan.quietRate)) return { chunks: [] };
  const floods = draw.chance(plan.floodRate);
  const chunks: TaskOutput['chunks'][number][] = [];
  const count = floods ? draw.int(3, 6) : draw.int(1, 3);
  for (let i = 0; i < count; i++) {
    const stream = draw.chance(0.8) ? 'stdout' : 'stderr';
    const size = floods ? draw.int(2_000, 12_000) : draw.int(1, 400);
    const line = `${key} ${stream} ${i} `;
    const text = line.repeat(Math.ceil(size / line.length)).slice(0, size);
    const end = draw.chance(0.8) ? '\n' : '';
    chunks.push({ atMs: draw.float() * durationMs, stream, bytes: Buffer.from(text + end) });
  }
  return { chunks: chunks.sort((a, b) => a.atMs - b.atMs) };
}

/** A stream as far as it was written `ms` after the start, cut at the limit and marked. */
export function writtenBy(
  { chunks }: TaskOutput,
  stream: Stream,
  ms: number,
  limit: number,
): { bytes: Uint8Array; droppedBytes: number } {
  const parts: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (chunk.atMs <= ms && (stream === 'combined' || stream === chunk.stream)) {
      parts.push(chunk.bytes);
    }
  }
  if (parts.length === 0) return { bytes: NOTHING, droppedBytes: 0 };
  const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  const droppedBytes = Math.max(0, all.length - limit);
  return { bytes: droppedBytes > 0 ? all.subarray(0, limit) : all, droppedBytes };
}

/** The same, with the line that says what was dropped: what is there when all is over. */
export function finalOf(output: TaskOutput, stream: Stream, ms: number, limit: number) {
  const { bytes, droppedBytes } = writtenBy(output, stream, ms, limit);
  if (droppedBytes === 0) return { bytes, droppedBytes };
  const marked = Buffer.concat([bytes, Buffer.from(truncationMark(droppedBytes))]);
  return { bytes: marked, droppedBytes };
}

export function isQuiet({ chunks }: TaskOutput): boolean {
  return chunks.length === 0;
}

const NOTHING = new Uint8Array(0);
