import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isYardError } from '../base/errors.ts';
import type { JobData } from './job-triggers/job-trigger.ts';
import { readRules, requestsOf } from './rules.ts';
import { fillTemplate, ruleText } from './template.ts';

const FILE = 'trigger_rules.yml';

describe('T3: rules', () => {
  test('every rule that matches fires, in the order of the file', () => {
    const rules = read(`
- when: {message_type: CloudCompose}
  do: [{tasks: [a, b]}]
- when: {message_type: Other}
  do: [{tasks: [never]}]
- when: {}
  do: [{tasks: [c], arches: [i386]}, {tasks: [d], match_host_arch: true}]
`);
    const matched = rules.match(DATA);
    expect(matched.map(({ number, line }) => [number, line])).toEqual([
      [1, 2],
      [3, 6],
    ]);
    const requests = matched.flatMap((rule) => requestsOf(rule, DATA, ['x86_64', 'armhfp']));
    expect(requests.map(({ task, arch }) => `${task} ${arch}`)).toEqual([
      'a x86_64',
      'a armhfp',
      'b x86_64',
      'b armhfp',
      'c i386',
      'd x86_64',
      'd armhfp',
    ]);
    expect(requests[0]).toEqual({ task: 'a', arch: 'x86_64', item: 'url', item_type: 'compose' });
    expect(requests[6]).toMatchObject({ match_host_arch: true });
  });

  test('the file is a template first: data and settings go in, lists as lists, $$ is a dollar', () => {
    const rules = read(
      `
- when:
    name: \${name}
    package: {$$in: $critpath_pkgs}
    message_type: {$regex: '^Cloud.*$$'}
  do:
    - {tasks: ["\${name}-$version", "$\${name}"]}
`.replace('$$in', '$in'),
      { critpath_pkgs: ['kernel', 'yes', 'a, b'] },
    );
    const [rule] = rules.match({ ...DATA, package: 'a, b' });
    expect(rule!.steps[0]!.tasks).toEqual(['Fedora-Cloud-24', '${name}']);
    expect(rules.match({ ...DATA, package: 'b' })).toEqual([]);
    expect(rules.match({ ...DATA, package: 'yes' })).toHaveLength(1);
  });

  test('a name without a value stays as it is written', () => {
    const rules = read('- when: {}\n  do:\n  - tasks:\n    - a-$regex\n    - a-${distgit_branch}');
    expect(rules.match(DATA)[0]!.steps[0]!.tasks).toEqual(['a-$regex', 'a-${distgit_branch}']);
  });

  test('a value that is called like an operator does not take its place', () => {
    const rules = read(
      '- when: {version: {$type: string}, name: $name}\n  do: [{tasks: ["${type}"]}]',
    );
    expect(rules.match({ ...DATA, type: 'commit' })[0]!.steps[0]!.tasks).toEqual(['commit']);
  });

  test('a value that could rewrite the rules is refused', () => {
    const rules = read("- when: {name: '${name}'}\n  do: [{tasks: [a]}]");
    for (const name of [
      "x', $or: [{}], y: '",
      'a\n- when: {}',
      '"',
      '{a: 1}',
      'a, b',
      '*x',
      '# x',
    ]) {
      expect(() => rules.match({ ...DATA, name })).toThrow(
        /^rules\.value: \$\{name\} cannot be put/,
      );
    }
    expect(() => rules.match({ ...DATA, name: 'xchat-0.5~rc1-1.fc20:x86_64' })).not.toThrow();
  });

  test('whatever text is let through means itself wherever it stands', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...`a1:-.,#'"{}[]&*!|>%@\`? \n/_~+=`.split('')) }),
        (name) => {
          let text: string | undefined;
          try {
            text = ruleText('name', name);
          } catch (error) {
            if (isYardError(error)) return;
            throw error;
          }
          const steps = `do: [{tasks: [x$name, 'x$name', "x$name"]}]`;
          const filled = fillTemplate(`- when: {}\n  ${steps}`, () => text);
          const rules = readRules(filled.replaceAll('$', '$$$$'), { file: FILE });
          const [rule] = rules.match(DATA);
          expect(rule!.steps[0]!.tasks).toEqual([`x${name}`, `x${name}`, `x${name}`]);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('everything that is wrong is said when the file is read', () => {
    const refused = refusal(`
- when: {name: {$inn: [a]}}
  do: [{task: [a]}]
- whenn: {}
  do:
    - {tasks: [a], discover: {repo: r}}
    - discover: {repo: r, branch: b}
- when: {n: {$in: $list, $mod: 3}}
  do: []
`);
    expect(refused.split('\n')).toEqual([
      'rules.invalid: 10 problems',
      expect.stringMatching(
        /:2:17: rules\.query: .*unknown operator "\$inn", did you mean "\$in"\?$/,
      ),
      expect.stringMatching(
        /:3:8: rules\.type: \[0\]\.do\[0\]: give exactly one of tasks and discover/,
      ),
      expect.stringMatching(
        /:3:9: rules\.key: \[0\]\.do\[0\]: unknown key "task", did you mean "tasks"/,
      ),
      expect.stringMatching(/:4:3: rules\.missing: \[1\]\.when: is missing/),
      expect.stringMatching(/:4:3: rules\.key: \[1\]: unknown key "whenn", did you mean "when"/),
      expect.stringMatching(/:6:7: rules\.type: \[1\]\.do\[0\]: give exactly one of/),
      expect.stringMatching(/:6:20: rules\.discover: discover cannot be carried out yet/),
      expect.stringMatching(/:7:7: rules\.discover: .*, name the tasks/),
      expect.stringMatching(/:8:26: rules\.query: .*\$mod needs a divisor/),
      expect.stringMatching(/:9:7: rules\.type: \[2\]\.do: there is nothing to do/),
    ]);
  });

  test.each([
    ['- when: [', /^rules\.yaml: trigger_rules\.yml:1:/],
    ['when: {}', /^rules\.type: trigger_rules\.yml:1:1: expected array/],
    [
      '- when: {}\n  do: [{tasks: [3]}]',
      /^rules\.type: .*\[0\]\.do\[0\]\.tasks\[0\]: expected string/,
    ],
  ])('%j is refused', (text, pattern) => {
    expect(refusal(text)).toMatch(pattern);
  });

  test('an empty file holds no rules', () => {
    expect(read('').match(DATA)).toEqual([]);
    expect(read('# nothing yet').match(DATA)).toEqual([]);
  });
});

const DATA: JobData = {
  _msg: {},
  message_type: 'CloudCompose',
  item: 'url',
  item_type: 'compose',
  name: 'Fedora-Cloud',
  version: '24',
  release: '20151208.n.7',
};

function read(text: string, settings: Record<string, unknown> = {}) {
  return readRules(text, { file: FILE, settings });
}

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (isYardError(error)) return error.message;
    throw error;
  }
  throw new Error('the rules were not refused');
}
