import { describe, expect, test } from 'vitest';
import { isYardError } from '../base/errors.ts';
import { DIRECTIVES } from './directives/table.ts';
import { parseFormula, resolveParams } from './formula.ts';

const GIVEN = ['compose', 'item', 'arch', 'workdir', 'artifactsdir', 'jobid', 'uuid'];

describe('T8: formulas', () => {
  test("the mission's own example is read as it stands", () => {
    const formula = parse(CLOUD_TESTS);
    expect(formula).toMatchObject({
      name: 'fedora-cloud-tests',
      maintainer: 'roshi',
      environment: { rpm: ['ansible', 'testcloud', 'git'] },
    });
    expect(formula.actions.map(({ directive }) => directive)).toEqual([
      'shell',
      'python',
      'shell',
      'shell',
      'resultsdb',
    ]);
    expect(formula.actions[1]).toMatchObject({ export: 'output', at: { line: 18, column: 5 } });
    expect(formula.actions[4]).toMatchObject({ name: 'report results to resultsdb' });
  });

  test('the older key "task" holds actions too, but not beside "actions"', () => {
    expect(parse('name: n\ntask:\n  - dummy: {result: PASS}').actions).toHaveLength(1);
    const both = 'name: n\nactions: [{dummy: {result: a}}]\ntask: [{dummy: {result: a}}]';
    expect(refusal(both)).toMatch(/^formula\.key: task\.yml:3:1: both/);
  });

  test('everything that is wrong is said at once, with its line and what was meant', () => {
    const refused = refusal(`
name: 3
descr: x
actions:
  - shel:
      - echo hi
  - python:
      fil: a.py
      callable: [run]
  - dummy: {result: PASS}
    shell: [echo]
  - name: nothing
  - shell: [echo $nope]
    export: 2nd
`);
    expect(refused.split('\n')).toEqual([
      'formula.invalid: 9 problems',
      '  task.yml:2:7: formula.type: name: expected string, received number',
      '  task.yml:3:1: formula.key: unknown key "descr", did you mean "desc"?',
      '  task.yml:5:5: formula.directive: actions[0]: unknown directive "shel", did you mean "shell"?',
      expect.stringMatching(/^ {2}task\.yml:8:7: formula\.missing: actions\[1\]\.python\.file/),
      expect.stringMatching(/^ {2}task\.yml:9:17: formula\.type: actions\[1\]\.python\.callable/),
      expect.stringMatching(/^ {2}task\.yml:10:5: formula\.directive: actions\[2\]: 2 directives/),
      expect.stringMatching(/^ {2}task\.yml:12:5: formula\.directive: actions\[3\]: no directive/),
      expect.stringMatching(/^ {2}task\.yml:13:13: formula\.variable: .*"\$nope" is not defined/),
      expect.stringMatching(/^ {2}task\.yml:14:13: formula\.export: actions\[4\]\.export: "2nd"/),
    ]);
  });

  test.each([
    ['bad YAML', 'name: n\nactions: [\n', /^formula\.yaml: task\.yml:3:1: /],
    ['a tab', 'name: n\nactions:\n\t- x', /^formula\.(yaml|invalid): .*task\.yml:3:/s],
    ['a duplicate key', 'name: a\nname: b\nactions: []', /^formula\.yaml: task\.yml:2:1: /],
    [
      'a bare ${} in a flow map',
      'name: n\nactions: [{dummy: {result: ${item}, msg: b, x: c}}]',
      /task\.yml:2:29: formula\.yaml: .* at node end, put \$\{\.\.\.\} in quotes here$/m,
    ],
    ['a list', '- a', /^formula\.type: task\.yml:1:1: a formula is a map/],
    ['nothing', '', /^formula\.type: task\.yml:1:1: a formula is a map/],
    ['no actions', 'name: n', /^formula\.missing: task\.yml:1:1: actions: is missing/],
    ['empty actions', 'name: n\nactions: []', /^formula\.type: .*there is nothing to do/],
    ['a text for an action', 'name: n\nactions: [echo]', /^formula\.type: .*actions\[0\]/],
    ['no name', 'actions: [{dummy: {result: a}}]', /^formula\.missing: .*name: is missing/],
    ['a tag', 'name: !!python/object n\nactions: []', /formula\.yaml: .*task\.yml:1:7|1:7.*yaml/s],
    ['two documents', 'name: n\n---\nname: m', /^formula\.yaml: /],
    ['deep nesting', `name: ${'['.repeat(200_000)}`, /^formula\.yaml: .*nested too deeply/],
    ['closed deep nesting', `name: ${'['.repeat(150)}${']'.repeat(150)}`, /nested too deeply/],
    ['multiplied aliases', bomb(), /^formula\.yaml: .*repeats itself too often/],
    ['over 1 MiB', `# ${'x'.repeat(2 ** 20)}`, /^formula\.too_large: .*at most 1\.0 MiB/],
  ])('%s is refused with a line', (_, text, pattern) => {
    expect(refusal(text)).toMatch(pattern);
  });

  test('a declared input that is not given is refused before anything runs', () => {
    const text = 'name: n\ninput:\n  args: [koji_build, arch]\nactions: [{dummy: {result: a}}]';
    expect(refusal(text)).toMatch(
      /^formula\.input: task\.yml:3:9: the task needs "koji_build", which is not given, given: arch/,
    );
    expect(parse(text.replace('koji_build', 'compose')).inputs).toEqual(['compose', 'arch']);
    expect(parse(text.replace('[koji_build, arch]', 'compose, arch')).inputs).toHaveLength(2);
  });

  test('a variable is known only to the actions after the one that exports it', () => {
    const actions = [
      '- dummy: {result: a, msg: $out}',
      '- {dummy: {result: a}, export: out}',
      '- dummy: {result: a, msg: $out}',
    ];
    expect(refusal(`name: n\nactions:\n${actions.join('\n')}`)).toMatch(
      /^formula\.variable: task\.yml:3:27: actions\[0\]\.dummy\.msg: "\$out" is not defined/,
    );
  });

  test('a value that is still a variable is judged when it is known', () => {
    const text =
      'name: n\nactions:\n  - {dummy: {result: a}, export: f}\n  - python: {file: $f, callable: c}';
    const formula = parse(text);
    const [, action] = formula.actions;
    expect(resolveParams(formula, action!, { f: 'a.py' }, DIRECTIVES)).toEqual({
      file: 'a.py',
      callable: 'c',
    });
    expect(() => resolveParams(formula, action!, { f: 3 }, DIRECTIVES)).toThrow(
      /^formula\.type: task\.yml:4:5: python\.file: expected string, received number/,
    );
  });

  test('a key of the prototype is no directive', () => {
    expect(refusal('name: n\nactions: [{constructor: {}}]')).toMatch(/^formula\.directive/);
    expect(refusal('name: n\nactions: [{__proto__: {}}]')).toMatch(/^formula\.directive/);
  });
});

const CLOUD_TESTS = `---
name: fedora-cloud-tests
desc: Run the Fedora Cloud or Atomic tests against a qcow2 image
maintainer: roshi

environment:
  rpm:
    - ansible
    - testcloud
    - git

actions:
  - shell:
    # Clone the upstream test repo
    - git clone https://pagure.io/fedora-qa/cloud-atomic-ansible-tests.git


  - python:
      file: run_cloud_tests.py
      callable: run
      test_image: \${compose}
      artifactsdir: \${artifactsdir}
    export: output

  - shell:
      - ignorereturn:
          - rm inventory

  - shell:
      - rm -rf cloud-atomic-ansible-tests

  - name: report results to resultsdb
    resultsdb:
      results: \${output}
`;

function parse(text: string) {
  return parseFormula(text, { file: 'task.yml', directives: DIRECTIVES, given: GIVEN });
}

function refusal(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (isYardError(error)) return error.message;
    throw error;
  }
  throw new Error('the formula was not refused');
}

function bomb(): string {
  const rows = Array.from({ length: 8 }, (_, row) =>
    row === 0 ? 'a0: &a0 [x, x]' : `a${row}: &a${row} [${`*a${row - 1},`.repeat(9)}]`,
  );
  return ['name: n', ...rows].join('\n');
}
