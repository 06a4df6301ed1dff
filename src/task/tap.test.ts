import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OUTCOMES, checkDetail } from './check-detail.ts';
import type { CheckDetail } from './check-detail.ts';
import { formatTap, parseTap, resultsFromTap } from './tap.ts';

describe('T18: TAP 13', () => {
  test('each outcome has its line', () => {
    const lines = OUTCOMES.map((outcome, index) => {
      const item = { item: 'xchat-0.5-1.fc20', type: 'koji_build', checkname: 'rpmlint', outcome };
      return formatTap([checkDetail(item)])
        .split('\n')[2]!
        .replace('1', String(index));
    });
    expect(lines).toEqual([
      'ok 0 - rpmlint for Koji build xchat-0.5-1.fc20',
      'ok 1 - rpmlint for Koji build xchat-0.5-1.fc20',
      'not ok 2 - rpmlint for Koji build xchat-0.5-1.fc20 # FAIL',
      'not ok 3 - rpmlint for Koji build xchat-0.5-1.fc20',
      'not ok 4 - rpmlint for Koji build xchat-0.5-1.fc20',
      'not ok 5 - rpmlint for Koji build xchat-0.5-1.fc20',
    ]);
  });

  test('the block holds what is known, every text on one quoted line', () => {
    const detail = checkDetail({
      item: 'foo-1',
      type: 'koji_build',
      outcome: 'FAILED',
      note: '5 ERRORS',
      output: ['a: "b"', '\tc\\d'],
    });
    expect(formatTap([detail])).toBe(
      [
        'TAP version 13',
        '1..1',
        'not ok 1 - result for Koji build foo-1 # FAIL',
        '  ---',
        '  details:',
        String.raw`    output: "a: \"b\"\n\tc\\d"`,
        '  item: "foo-1"',
        '  outcome: FAILED',
        '  summary: "5 ERRORS"',
        '  type: "koji_build"',
        '  ...',
        '',
      ].join('\n'),
    );
  });

  test('no results are a plan of none that says so', () => {
    expect(parseTap(formatTap([]))).toMatchObject({ planned: 0, points: [], problems: [] });
  });

  test('what is written can be read back', () => {
    fc.assert(
      fc.property(fc.array(tapDetail(), { maxLength: 5 }), (details) => {
        const tap = parseTap(formatTap(details));
        expect(tap.problems).toEqual([]);
        expect(tap.version).toBe(13);
        expect(tap.points.map(({ ok }) => ok)).toEqual(
          details.map(({ outcome }) => outcome === 'PASSED' || outcome === 'INFO'),
        );
        expect(resultsFromTap(tap)).toEqual(details);
      }),
    );
  });

  test("the mission's example is read", () => {
    const tap = parseTap(MISSION);
    expect(tap.problems).toEqual(['there is no plan']);
    expect(tap.points[1]!.directive).toEqual({ kind: 'FAIL', why: '' });
    const results = resultsFromTap(tap);
    expect(results.map(({ item, outcome }) => [item, outcome])).toEqual([
      ['xchat-0.5-1.fc20', 'PASSED'],
      ['foobar-1.2-3.fc20', 'FAILED'],
      ['f20-updates', 'INFO'],
    ]);
    expect(results[0]!.output[1]).toBe('xchat.x86_64: W: non-conffile-in-etc');
  });

  test.each([
    ['1..2\nok 1', '2 points were planned, 1 are there'],
    ['1..1\nok 2', 'point 1 is numbered 2'],
    ['ok 1', 'there is no plan'],
    ['1..0\n1..0', 'there is more than one plan'],
    ['1..1\nok 1\nBail out! no disk', 'bailed out: no disk'],
    ['1..1\nok 1\n  ---\n  a: 1', 'line 3: a YAML block does not end'],
    ['1..1\nok 1\n  ---\n  a: [\n  ...', expect.stringMatching(/^line 3: the YAML block/)],
  ])('%j is not to be relied on', (text, problem) => {
    expect(parseTap(text).problems).toContainEqual(problem);
  });

  test('noise around TAP is passed over, directives are read', () => {
    const tap = parseTap(
      'booting\nTAP version 13\n1..2\nok 1 - a \\# b # SKIP no disk\nnot ok # todo',
    );
    expect(tap.problems).toEqual([]);
    expect(tap.points).toMatchObject([
      { ok: true, name: 'a # b', directive: { kind: 'SKIP', why: 'no disk' } },
      { ok: false, name: '', directive: { kind: 'TODO' } },
    ]);
  });

  test('a point that names no item is no result', () => {
    expect(() => resultsFromTap(parseTap('1..1\nok 1 - a'))).toThrow(/^task\.tap_item: point 1/);
  });

  const prove = hasProve();
  if (!prove) console.warn('SKIPPED: no prove on this machine, TAP is not tried against Perl');

  test.skipIf(!prove)('prove accepts it, and fails exactly where a result is bad', async () => {
    const outputs = [
      'xchat.x86_64: W: a\nb: "c"',
      ' - x: y',
      '|-',
      '\u001b[31mred',
      'é\u2028x',
      '#',
    ];
    const good = outputs.map((text, index) =>
      checkDetail({
        item: `${text} # ${index} \\`,
        type: 'compose',
        checkname: 'check',
        outcome: index % 2 === 0 ? 'PASSED' : 'INFO',
        note: text,
        output: [text],
      }),
    );
    const bad = checkDetail({ item: 'x', type: 't', checkname: 'c', outcome: 'FAILED' });

    const passed = await runProve(formatTap(good));
    expect(passed.stdout).toContain(`Files=1, Tests=${good.length},`);
    expect(passed.stdout).toContain('Result: PASS');
    const failed = await runProve(formatTap([...good, bad, { ...bad, outcome: 'CRASHED' }]));
    expect(failed.stdout).toContain('Failed tests:  7-8');
    expect(failed.stdout).toContain('Result: FAIL');
    expect((await runProve(formatTap([]))).stdout).toContain('Result: NOTESTS');
  });

  test.skipIf(!prove)("Perl's reader finds the same in a block as we wrote", () => {
    const output = ['a: "b" \\ c', '', '\tx: y', '\u0007'];
    const tap = formatTap([checkDetail({ item: 'i: #1', note: "it's", output, outcome: 'INFO' })]);
    const block = tap
      .split('\n')
      .slice(3, -1)
      .map((line) => line.slice(2));
    const script = `use TAP::Parser::YAMLish::Reader; use JSON::PP; my @l = @{decode_json($ARGV[0])};
      print encode_json(TAP::Parser::YAMLish::Reader->new->read(sub { shift @l }));`;
    const said = execFileSync('perl', ['-e', script, JSON.stringify(block)], { encoding: 'utf8' });
    expect(JSON.parse(said)).toEqual({
      item: 'i: #1',
      outcome: 'INFO',
      summary: "it's",
      details: { output: output.join('\n') },
    });
  });
});

const MISSION = `ok - $CHECKNAME for Koji build xchat-0.5-1.fc20
  ---
  details:
    output: |-
      xchat.x86_64: W: file-not-utf8 /usr/share/doc/xchat/ChangeLog
      xchat.x86_64: W: non-conffile-in-etc
                       /etc/gconf/schem/apps_xchat_url_handler.schemas
      xchat.x86_64: W: no-manual-page-for-binary xchat
  item: xchat-0.5-1.fc20
  outcome: PASSED
  summary: 5 ERRORS, 10 WARNINGS
  type: koji_build
  ...
not ok - $CHECKNAME for Bodhi update foobar-1.2-3.fc20  # FAIL
  ---
  item: foobar-1.2-3.fc20
  outcome: FAILED
  summary: dependency error
  type: bodhi_update
  ...
ok - $CHECKNAME for Yum repository f20-updates
  ---
  item: f20-updates
  outcome: INFO
  summary: 2 stale updates
  type: yum_repository
  ...
`;

function tapDetail(): fc.Arbitrary<CheckDetail> {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom(...'#\\"\n\r\t: -|'.split('')), fc.string()),
  });
  return fc
    .record(
      {
        item: text,
        outcome: fc.constantFrom(...OUTCOMES),
        output: fc.array(text),
        type: text,
        note: fc.string({ unit: 'binary' }),
        checkname: text,
      },
      { requiredKeys: ['item', 'outcome', 'output'] },
    )
    .map((given) => checkDetail(given as CheckDetail));
}

function hasProve(): boolean {
  try {
    execFileSync('prove', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function runProve(tap: string): Promise<{ stdout: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'runyard-tap-'));
  try {
    const file = join(directory, 'results.tap');
    writeFileSync(file, tap);
    const run = promisify(execFile)('prove', ['--exec', 'cat', file]);
    return await run.catch((error: { stdout: string }) => error);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
