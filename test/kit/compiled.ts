import { execFileSync } from 'node:child_process';
import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const REPOSITORY = resolve(import.meta.dirname, '../..');

/**
 * Compiles a file of `src` and what it needs, as the package does, into `dist` of a directory of
 * its own. The caller removes the directory.
 */
export function compile(file: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'runyard-built-'));
  writeFileSync(join(directory, 'package.json'), '{"type": "module"}');
  symlinkSync(join(REPOSITORY, 'node_modules'), join(directory, 'node_modules'));
  const config = {
    extends: join(REPOSITORY, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      rootDir: join(REPOSITORY, 'src'),
      outDir: 'dist',
      typeRoots: [join(REPOSITORY, 'node_modules/@types')],
    },
    files: [join(REPOSITORY, file)],
    include: [],
  };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', directory], { stdio: 'inherit' });
  return directory;
}
