/** What V8 counted of the blocks of a script (NODE_V8_COVERAGE), asked by place. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Arm } from './arms.ts';

interface Block {
  startOffset: number;
  endOffset: number;
  count: number;
}

interface Script {
  url: string;
  functions: { ranges: Block[] }[];
}

/** How often what stands at an offset ran. */
export type CountAt = (offset: number) => number;

/** The innermost block around an offset tells how often it ran. */
export function countsOf({ functions }: Pick<Script, 'functions'>): CountAt {
  const blocks = functions.flatMap(({ ranges }) => ranges);
  blocks.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  return (offset) => {
    let count = 0;
    let size = Infinity;
    for (const { startOffset, endOffset, count: its } of blocks) {
      if (startOffset > offset) break;
      if (endOffset <= offset || endOffset - startOffset > size) continue;
      [count, size] = [its, endOffset - startOffset];
    }
    return count;
  };
}

/** Of every process that wrote into the directory, by the path of the script. */
export function readCounts(directory: string): Map<string, CountAt[]> {
  const counts = new Map<string, CountAt[]>();
  for (const name of readdirSync(directory)) {
    const { result } = JSON.parse(readFileSync(join(directory, name), 'utf8')) as {
      result: Script[];
    };
    for (const script of result) {
      if (!script.url.startsWith('file://')) continue;
      const path = new URL(script.url).pathname;
      const known = counts.get(path);
      if (known) known.push(countsOf(script));
      else counts.set(path, [countsOf(script)]);
    }
  }
  return counts;
}

export function isTaken({ at, less }: Arm, counts: readonly CountAt[]): boolean {
  return counts.some((countAt) => countAt(at) > (less === undefined ? 0 : countAt(less)));
}
