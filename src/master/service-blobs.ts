/** What the master offers of outputs, artifacts and bundles. */
import { YardError, quote } from '../base/errors.ts';
import type { MasterService, Principal } from '../protocol/service.ts';
import { artifactKey } from './outputs.ts';
import type { OutputKeeper } from './outputs.ts';
import type { BlobStore } from './store/port.ts';
import { bundleKey } from './submit.ts';
import type { Yard } from './yard.ts';

const BUNDLE_BYTES_MAX = 4 * 2 ** 30;
const ARTIFACT_BYTES_MAX = 2 ** 30;

export function blobRoutes({
  yard,
  blobs,
  outputs,
}: {
  yard: Yard;
  blobs: BlobStore;
  outputs: OutputKeeper;
}) {
  /** Only the current attempt's slave, with its token, may add to what it wrote (S04, S05). */
  async function checkClaim(
    { runId, attempt, token }: { runId: string; attempt: number; token: string },
    by: Principal,
  ): Promise<void> {
    const run = yard.ledger.live(runId);
    if (!run || run.context.attempt !== attempt || run.context.token !== token) {
      const current = run?.context.attempt ?? 'none';
      // Who is told so throws its bytes away: a grant that a power cut may take is no reason (S19).
      await yard.transact(() => {});
      throw new YardError(
        'run.stale_attempt',
        `${attempt} of run ${quote(runId)}, current: ${current}`,
      );
    }
    if (by.kind === 'slave' && run.context.slave !== undefined && run.context.slave !== by.name) {
      throw new YardError('authz.identity_mismatch', `run ${runId} is not on slave ${by.name}`);
    }
  }

  return {
    async openOutput(...[runId, stream, options, signal]: Parameters<MasterService['openOutput']>) {
      const run = await yard.ledger.findRun(runId);
      if (!run) throw new YardError('output.unknown', `no run ${quote(runId)}`);
      return outputs.open(run, stream, options, signal);
    },
    async outputTimes(...[runId, stream, options]: Parameters<MasterService['outputTimes']>) {
      const run = await yard.ledger.findRun(runId);
      if (!run) throw new YardError('output.unknown', `no run ${quote(runId)}`);
      return { marks: [...(await outputs.times(run, stream, options))] };
    },
    async openArtifact(runId: string, name: string, attempt: number | undefined) {
      const run = await yard.ledger.findRun(runId);
      const known = run?.context.artifacts?.find((artifact) => artifact.name === name);
      if (!run || !known) {
        throw new YardError('output.unknown', `run ${quote(runId)} has no artifact ${quote(name)}`);
      }
      const key = artifactKey(runId, attempt ?? run.context.attempt, name);
      const held = await blobs.stat(key);
      if (!held) throw new YardError('output.expired', `artifact ${quote(name)} was removed`);
      return { body: await blobs.get(key), bytes: held.bytes };
    },
    async appendOutput(
      at: Parameters<MasterService['appendOutput']>[0],
      bytes: Uint8Array,
      by: Principal,
    ) {
      await checkClaim(at, by);
      return outputs.append(at, bytes);
    },
    async putArtifact(
      at: Parameters<MasterService['putArtifact']>[0],
      body: AsyncIterable<Uint8Array>,
      by: Principal,
    ) {
      await checkClaim(at, by);
      const limits = { sha256: at.sha256, bytesMax: ARTIFACT_BYTES_MAX };
      await blobs.put(artifactKey(at.runId, at.attempt, at.name), body, limits);
    },
    async putBundle(id: string, body: AsyncIterable<Uint8Array>) {
      const sha256 = bundleDigest(id);
      const { bytes } = await blobs.put(bundleKey(id), body, {
        sha256,
        bytesMax: BUNDLE_BYTES_MAX,
      });
      return { id, bytes };
    },
    async statBundle(id: string) {
      bundleDigest(id);
      const held = await blobs.stat(bundleKey(id));
      if (!held?.sealed) throw new YardError('bundle.unknown', `${id} is not here`);
      return { id, bytes: held.bytes };
    },
    async openBundle(id: string) {
      bundleDigest(id);
      const held = await blobs.stat(bundleKey(id));
      if (!held?.sealed) throw new YardError('bundle.unknown', `${id} is not here`);
      return { body: await blobs.get(bundleKey(id)), bytes: held.bytes };
    },
  };
}

function bundleDigest(id: string): string {
  const match = /^fs-([0-9a-f]{64})$/.exec(id);
  if (match) return match[1]!;
  throw new YardError('bundle.ref', `${quote(id)} is not a bundle's id`, {
    hint: 'fs- and 64 hex digits',
  });
}
