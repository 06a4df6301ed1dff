import { expect, test } from 'vitest';
import { parseExitFile } from './exit-file.ts';

const LANE = 'lane 812 99123 run.1 none\n';

test('a file without its last line says that the task still runs', () => {
  expect(parseExitFile('', 'run.1')).toEqual({ lane: undefined, end: undefined });
  for (const text of [LANE, `${LANE}Killed\n`, `${LANE}exit 3`]) {
    expect(parseExitFile(text, 'run.1')).toEqual({
      lane: { pid: 812, startTime: '99123', isolation: 'none', group: undefined },
      end: undefined,
    });
  }
});

test('what another attempt left says nothing of this one', () => {
  const nothing = { lane: undefined, end: undefined };
  expect(parseExitFile(`${LANE}exit 0\n`, 'run.2')).toEqual(nothing);
  expect(parseExitFile('exit 0\n', 'run.1')).toEqual(nothing);
  const both = `${LANE}Killed\nexit 137\nlane 812 99123 run.2 none\n`;
  expect(parseExitFile(both, 'run.1')).toEqual(nothing);
  expect(parseExitFile(both, 'run.2')).toMatchObject({ lane: { pid: 812 }, end: undefined });
  const ended = parseExitFile(`${both}exit 3\n`, 'run.2');
  expect(ended.end).toEqual({ kind: 'exited', code: 3 });
});

test('the first line names the control group, where there is one', () => {
  expect(parseExitFile('lane 812 99123 run.1 cgroup /sys/fs/cgroup/a b\n', 'run.1').lane).toEqual({
    pid: 812,
    startTime: '99123',
    isolation: 'cgroup',
    group: '/sys/fs/cgroup/a b',
  });
});

test('128+n is signal n only if the shell spoke of it', () => {
  expect(endOf('exit 137\n')).toEqual({ kind: 'exited', code: 137 });
  expect(endOf('Killed\nexit 137\n')).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
  expect(endOf('Segmentation fault (core dumped)\nexit 139\n')).toEqual({
    kind: 'signalled',
    signal: 'SIGSEGV',
  });
  expect(endOf('exit 255\n')).toEqual({ kind: 'exited', code: 255 });
});

test('a mark right before the end says that the task never ran', () => {
  expect(endOf('unstartable 127\nexit 127\n')).toMatchObject({ kind: 'unstartable' });
  expect(endOf("/usr/bin/dash: 3: cd: can't cd to /x\nunstartable 126\nexit 126\n")).toEqual({
    kind: 'unstartable',
    why: "could not exec: cd: can't cd to /x",
  });
  expect(endOf('exit 127\n')).toEqual({ kind: 'exited', code: 127 });
});

function endOf(rest: string) {
  return parseExitFile(LANE + rest, 'run.1').end;
}
