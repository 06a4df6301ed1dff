/** What runs name and the blob store must hold: outputs, artifacts, bundles (S6). */
import { isFsBundleId } from '../../protocol/bundle-ref.ts';
import { STREAMS } from '../../protocol/outputs.ts';
import { isDone } from '../../protocol/run.ts';
import { artifactKey, outputKey } from '../outputs.ts';
import type { RunOrigin, RunRecord } from '../records.ts';
import type { BlobReader } from '../store/read-only.ts';
import { bundleKey } from '../submit.ts';
import type { FindingCode, Report } from './finding.ts';

export interface BlobCheck {
  /** Resolves with how many blobs it looked at. */
  check: (run: RunRecord, origin: RunOrigin) => Promise<number>;
}

interface Wanted {
  key: string;
  name: string;
  bytes?: number;
  sha256: string;
  missing: FindingCode;
  length: FindingCode;
  digest: FindingCode;
}

/** `deep`: reads every byte, else lengths only. */
export function makeBlobCheck(blobs: BlobReader, report: Report, deep: boolean): BlobCheck {
  /** Many runs share a bundle. */
  const bundles = new Set<string>();

  async function checkOne(where: string, wanted: Wanted): Promise<void> {
    const { key, name, bytes, sha256 } = wanted;
    const held = await blobs.stat(key);
    if (!held?.sealed) {
      const what = held ? `its ${name} is not sealed` : `its ${name} is gone`;
      return report(wanted.missing, where, `${what}: ${key}`);
    }
    if (bytes !== undefined && held.bytes !== bytes) {
      return report(
        wanted.length,
        where,
        `its ${name} has ${held.bytes} bytes of ${bytes}: ${key}`,
      );
    }
    if (deep && (await blobs.digest(key, held.bytes)) !== sha256) {
      report(wanted.digest, where, `its ${name} holds other bytes than were recorded: ${key}`);
    }
  }

  return {
    async check(run, origin) {
      const wanted = [...outputsOf(run), ...bundleOf(run, origin, bundles)];
      for (const one of wanted) await checkOne(`run ${run.id}`, one);
      return wanted.length;
    },
  };
}

function* outputsOf({ id, context }: RunRecord): Generator<Wanted> {
  const { attempt, outputs, artifacts } = context;
  for (const stream of outputs ? STREAMS : []) {
    const { bytes, sha256 } = outputs![stream];
    if (bytes === 0) continue;
    yield {
      key: outputKey(id, attempt, stream),
      name: stream,
      bytes,
      sha256,
      missing: 'output_missing',
      length: 'output_length',
      digest: 'output_digest',
    };
  }
  for (const { name, bytes, sha256 } of artifacts ?? []) {
    yield {
      key: artifactKey(id, attempt, name),
      name: `artifact ${JSON.stringify(name)}`,
      bytes,
      sha256,
      missing: 'artifact_missing',
      length: 'artifact_digest',
      digest: 'artifact_digest',
    };
  }
}

/** Only of runs that may still need it. */
function* bundleOf(
  { state }: RunRecord,
  { request: { bundle } }: RunOrigin,
  seen: Set<string>,
): Generator<Wanted> {
  if (bundle === undefined || isDone(state) || !isFsBundleId(bundle) || seen.has(bundle)) return;
  seen.add(bundle);
  yield {
    key: bundleKey(bundle),
    name: 'bundle',
    sha256: bundle.slice('fs-'.length),
    missing: 'bundle_missing',
    length: 'bundle_digest',
    digest: 'bundle_digest',
  };
}
