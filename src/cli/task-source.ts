/** Makes what a run executes on available to the master: directories packed, repositories named. */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { YardError, quote } from '../base/errors.ts';
import { isFsBundleId, parseBundleRef } from '../protocol/bundle-ref.ts';
import { packBundle } from '../task/bundle/pack.ts';
import { DIRECTIVES } from '../task/directives/table.ts';
import { parseFormula } from '../task/formula.ts';
import { builtInVariables } from '../task/run-formula.ts';
import { readTaskFile } from '../task/task-file.ts';
import type { CliHost, Client } from './host.ts';

export interface TaskRequest {
  formula: { item: string; itemType: string; file?: string };
  bundle: string;
  name: string;
}

/** Whether the master lets slaves read `file:` is for it to say. */
const SCHEMES = ['https', 'ssh', 'file'] as const;

/** A formula run's request. A formula on this machine is checked before anything is sent. */
export async function taskOf(
  named: string,
  about: { item: string; itemType: string },
  client: Client,
  host: CliHost,
): Promise<TaskRequest> {
  if (/^(?:git\+)?[a-z][a-z0-9+.-]*:\/\//i.test(named)) {
    const bundle = named.startsWith('git+') ? named : `git+${named}`;
    parseBundleRef(bundle, SCHEMES);
    const repository = bundle.slice(0, bundle.lastIndexOf('@')).replace(/(?:\.git)?\/*$/, '');
    return { formula: about, bundle, name: nameOf(basename(repository), about.item) };
  }
  const { file, taskdir, text } = await readTaskFile(named, host.cwd);
  const blank = { jobid: '', uuid: '', taskdir, workdir: '', artifactsdir: '' };
  const given = Object.keys(builtInVariables({ ...about, arch: 'noarch', ...blank }));
  parseFormula(text, { file, directives: DIRECTIVES, given });
  const bundle = await upload(taskdir, client);
  const name = nameOf(basename(taskdir), about.item);
  return { formula: { ...about, file: basename(file) }, bundle, name };
}

/** What the list of runs calls it; of an address its last part says most. */
function nameOf(task: string, item: string): string {
  return `${task} on ${item.split('/').at(-1) || item}`.slice(0, 200);
}

/** The bundle that someone names by its id, its repository or a directory. */
export async function packNamed(named: string, client: Client, host: CliHost): Promise<string> {
  if (isFsBundleId(named)) return named;
  if (named.startsWith('git+')) {
    parseBundleRef(named, SCHEMES);
    return named;
  }
  const path = resolve(host.cwd, named);
  const found = await stat(path).catch(() => undefined);
  if (!found) {
    throw new YardError('bundle.path', `${quote(named)} is not there`, {
      hint: 'name a directory, fs-<sha256> or git+<url>@<commit>',
    });
  }
  return upload(path, client);
}

async function upload(path: string, client: Client): Promise<string> {
  const packed = await packBundle(path);
  try {
    if (!(await client.hasBundle(packed.id))) {
      await client.putBundle(packed.id, packed.open(), packed.bytes);
    }
    return packed.id;
  } finally {
    await packed.close();
  }
}
