/** Hands in again what a master lost of the outputs of a finished attempt (dst.md part 4, step 7). */
import { STREAMS } from '../protocol/outputs.ts';
import type { FinishedReport } from '../protocol/to-master.ts';
import type { Assignment } from '../protocol/to-slave.ts';
import { messageOf } from '../base/errors.ts';
import { untilReached } from './patience.ts';
import { keyOf } from './attempt.ts';
import type { Attempt, AttemptPorts } from './attempt.ts';
import type { Workspace } from './ports.ts';

export interface ResendPorts extends Pick<
  AttemptPorts,
  'clock' | 'outputs' | 'workspaces' | 'putArtifact' | 'log'
> {
  workspaceAt: (key: string) => Workspace;
}

export interface Resending {
  /**
   * Sends what is missing by these sizes, then calls `onReady` with the report to make. Does nothing
   * while that attempt is being sent already.
   */
  begin: (
    attempt: Pick<Attempt, 'assignment'>,
    report: FinishedReport,
    sizes: Readonly<Record<string, number>>,
    onReady: (report: FinishedReport) => void,
  ) => void;
  /** Nobody wants it any more. */
  stop: (key: string) => void;
}

export function makeResending(ports: ResendPorts): Resending {
  const underWay = new Map<string, AbortController>();
  return {
    begin({ assignment }, report, sizes, onReady) {
      const key = keyOf(report);
      if (underWay.has(key)) return;
      const stopping = new AbortController();
      underWay.set(key, stopping);
      ports.log.info({ attempt: key }, 'the master lost outputs: sending them again');
      resend(assignment, report, sizes, ports, stopping.signal)
        .finally(() => underWay.delete(key))
        .then(onReady)
        .catch((error: unknown) => {
          ports.log.warn({ attempt: key, err: messageOf(error) }, 'outputs not sent again');
          if (!stopping.signal.aborted) onReady(lossOf(report));
        });
    },
    stop: (key) => underWay.get(key)?.abort(),
  };
}

/** Whether the master cannot have all that the report names, by the sizes that it gave. */
export function isIncomplete(
  { inline, outputs, artifacts }: FinishedReport,
  sizes: Readonly<Record<string, number>>,
): boolean {
  if (artifacts.length > 0) return true;
  if (inline || !outputs) return false;
  return STREAMS.some((stream) => (sizes[stream] ?? 0) < outputs[stream].bytes);
}

/**
 * Resolves once the master has every byte, with the report to make then: the same, or a loss if
 * this machine no longer has what was named either.
 */
async function resend(
  assignment: Assignment,
  report: FinishedReport,
  sizes: Readonly<Record<string, number>>,
  { clock, outputs, workspaces, putArtifact, workspaceAt }: ResendPorts,
  signal: AbortSignal,
): Promise<FinishedReport> {
  const workspace = workspaceAt(keyOf(report));
  if (report.outputs && !report.inline) {
    const tail = outputs.follow(keyOf(report), workspace.files, assignment.outputBytesMax, sizes);
    signal.addEventListener('abort', () => tail.stop(), { once: true });
    try {
      const { manifests } = await tail.finish();
      for (const stream of STREAMS) {
        const { bytes, sha256 } = report.outputs[stream];
        const now = manifests[stream];
        if (now.bytes !== bytes || now.sha256 !== sha256) {
          return lossOf(report);
        }
      }
      await tail.flushed();
    } finally {
      tail.stop();
    }
  }
  const found = report.artifacts.length > 0 ? await workspaces.collect(workspace) : [];
  for (const artifact of found) {
    if (report.artifacts.some(({ sha256 }) => sha256 === artifact.sha256)) {
      await untilReached(clock, () => putArtifact(assignment, artifact, signal), signal);
    }
  }
  return report;
}

/** Nobody has all that was named any more: another attempt is to make it anew. */
function lossOf({ runId, attempt, token }: FinishedReport): FinishedReport {
  const why = 'its outputs are whole neither here nor on the master';
  return { runId, attempt, token, ending: { kind: 'lost', why }, artifacts: [], notes: [] };
}
