import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A path to its content: `->` a link, `x!` an executable, else a file. */
export type Files = Record<string, string>;

export function writeFiles(root: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    if (content.startsWith('->')) symlinkSync(content.slice(2), path);
    else if (content.startsWith('x!')) writeFileSync(path, content.slice(2), { mode: 0o755 });
    else writeFileSync(path, content, { mode: 0o644 });
  }
}

/** The paths of all that is below, sorted. */
export function namesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true }).map(String).sort();
}
