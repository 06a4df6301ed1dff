/** Runs by the names that people type: a whole id, the start of one, `last`. */
import { YardError, quote } from '../base/errors.ts';
import type { Client } from './host.ts';

/** What the master makes is this long; nothing shorter is one. */
const RUN_ID_CHARACTERS = 16;
const RUN_ID_CHARACTERS_MAX = 64;

export async function findRunId(client: Client, selector: string): Promise<string> {
  if (selector === 'last') return lastRunId(client);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(selector)) {
    throw new YardError('run.unknown', `${quote(selector)} is not the id of a run`, {
      hint: 'write an id, the start of one, or "last"',
    });
  }
  if (selector.length >= RUN_ID_CHARACTERS) return selector;
  // These two are the last that start so.
  const found = await client.listRuns({ ...idsFrom(selector), limit: 2 });
  const [match, other] = found.filter(({ runId }) => runId.startsWith(selector));
  if (match && other) {
    throw new YardError('run.ambiguous', `more than one run starts with ${quote(selector)}`, {
      hint: `write more of it: ${other.runId}, ${match.runId}`,
    });
  }
  // A master of another making may have shorter ids: it knows.
  return match?.runId ?? selector;
}

/** Where those begin that start so: ids sort, and no character of theirs comes after z. */
export function idsFrom(start: string): { before?: string } {
  return /^[A-Za-z0-9_-]+$/.test(start) ? { before: start.padEnd(RUN_ID_CHARACTERS_MAX, 'z') } : {};
}

async function lastRunId(client: Client): Promise<string> {
  const [last] = await client.listRuns({ limit: 1 });
  if (last) return last.runId;
  throw new YardError('run.unknown', 'there is no run yet', {
    hint: 'see "runyard submit --help"',
  });
}

/** In the order given, each once. */
export async function findRunIds(client: Client, selectors: readonly string[]): Promise<string[]> {
  const ids = new Set<string>();
  for (const selector of selectors) ids.add(await findRunId(client, selector));
  return [...ids];
}
