/** Builds mutants: each is a copy of the built simulator, with its changed files in it. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { editsOf, plant } from './mutant.ts';
import type { Mutant } from './mutant.ts';

const PARTS = ['src', 'test'];

/** Whether the simulator runs any of what it changes: adapters of the real world it does not. */
export function isWithin(root: string, mutant: Mutant): boolean {
  return editsOf(mutant).some(({ file }) => existsSync(join(root, 'dist-sim', jsOf(file))));
}

function jsOf(file: string): string {
  return file.replace(/\.ts$/, '.js');
}

/** Of the project at `root`. All are laid out as `dist-sim` is. */
export function buildMutants(
  root: string,
  mutants: readonly Mutant[],
): { base: string; places: Map<string, string>; remove: () => void } {
  const built = join(root, 'dist-sim');
  const home = mkdtempSync(join(built, 'mutants-'));
  const sources = join(home, 'sources');
  const compiled = join(home, 'compiled');
  for (const mutant of mutants) {
    for (const [file, text] of textsOf(root, mutant)) {
      write(join(sources, mutant.name, file), text);
    }
  }
  compile(root, sources, compiled);
  // A copy once, and links to that: a build that comes meanwhile changes none of them.
  const base = join(home, 'base');
  for (const part of PARTS) cpSync(join(built, part), join(base, part), { recursive: true });
  const places = new Map<string, string>();
  for (const mutant of mutants) {
    const place = join(home, mutant.name);
    for (const part of PARTS) linkTree(join(base, part), join(place, part));
    for (const { file } of editsOf(mutant)) {
      const name = jsOf(file);
      const changed = join(compiled, mutant.name, name);
      // Renamed over the link, so that the file that it was linked to stays as it is.
      write(join(place, `${name}.new`), readFileSync(changed, 'utf8'));
      renameSync(join(place, `${name}.new`), join(place, name));
    }
    places.set(mutant.name, place);
  }
  return { base, places, remove: () => rmSync(home, { recursive: true, force: true }) };
}

function textsOf(root: string, mutant: Mutant): Map<string, string> {
  const texts = new Map<string, string>();
  for (const edit of editsOf(mutant)) {
    const text = texts.get(edit.file) ?? readFileSync(join(root, edit.file), 'utf8');
    texts.set(edit.file, plant(text, edit));
  }
  return texts;
}

/** All of them at once, file by file: types do not matter to a bug. */
function compile(root: string, sources: string, compiled: string): void {
  const config = join(sources, 'tsconfig.json');
  const options = { noEmit: false, noCheck: true, noResolve: true, types: [] };
  const { extends: base, ...rest } = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { ...options, rootDir: sources, outDir: compiled },
    include: [sources],
  };
  write(config, JSON.stringify({ extends: base, ...rest }));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', config], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mutants do not compile:\n${stdout}`);
}

function linkTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) linkTree(source, target);
    else linkSync(source, target);
  }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
