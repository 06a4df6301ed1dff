import { expect, test } from 'vitest';
import { assignmentOf, workspaceOf } from '../../test/kit/slave-ports.ts';
import { commandOf } from './command.ts';

const options = {
  slave: 's1',
  arch: 'x86_64',
  master: 'http://m',
  runtask: ['node', 'runtask.js'],
  base: { PATH: '/bin' },
};
const workspace = workspaceOf('r1.2');
const of = (own: Parameters<typeof assignmentOf>[0]) =>
  commandOf(assignmentOf({ attempt: 2, ...own }), workspace, options);

test('a bare command runs as it is, and its environment is made from scratch', () => {
  const { argv, env } = of({ argv: ['sh', '-c', 'x'], env: { A: '1', PATH: '/mine' } });
  expect(argv).toEqual(['sh', '-c', 'x']);
  expect(env).toEqual({
    PATH: '/mine',
    HOME: workspace.cwd,
    A: '1',
    CI: 'true',
    RUNYARD: '1',
    RUNYARD_RUN: 'r1',
    RUNYARD_ATTEMPT: 'r1.2',
    RUNYARD_ATTEMPT_NUMBER: '2',
    RUNYARD_SLAVE: 's1',
    RUNYARD_ARCH: 'x86_64',
    RUNYARD_MASTER: 'http://m',
    RUNYARD_WORKDIR: workspace.cwd,
    RUNYARD_ARTIFACTS_DIR: workspace.artifactsDir,
  });
});

test('a task cannot say who it is', () => {
  const { env } = of({ env: { RUNYARD_RUN: 'other', CI: 'no' } });
  expect([env['RUNYARD_RUN'], env['CI']]).toEqual(['r1', 'true']);
});

test('a formula is performed by runtask, its item given as an argument and never as a flag', () => {
  const formula = { file: '-x.yml', item: '-rf', itemType: 'koji_build' };
  const { argv } = commandOf(
    { ...assignmentOf(), argv: undefined as never, formula },
    workspace,
    options,
  );
  expect(argv.slice(0, 8)).toEqual([
    'node',
    'runtask.js',
    '-t',
    'koji_build',
    '-i',
    '-rf',
    '-a',
    'x86_64',
  ]);
  expect(argv.slice(-2)).toEqual(['--', '-x.yml']);
});
