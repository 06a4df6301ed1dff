import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { compileQuery } from './query.ts';
import { pythonRegex } from './python-regex.ts';

const DATA = {
  name: 'Fedora-Cloud',
  version: '24',
  n: 5,
  none: null,
  tags: ['a', 'b'],
  msg: {
    builds: [
      { nvr: 'x-1', id: 1 },
      { nvr: 'y-2', id: 2 },
    ],
  },
};

describe('T4: queries', () => {
  test.each([
    [{}, true],
    [{ name: 'Fedora-Cloud', version: '24' }, true],
    [{ name: 'Fedora-Cloud', version: '25' }, false],
    [{ version: 24 }, false],
    [{ tags: 'a' }, true],
    [{ tags: ['a', 'b'] }, true],
    [{ tags: { $eq: 'c' } }, false],
    [{ 'msg.builds.nvr': 'y-2' }, true],
    [{ 'msg.builds.0.nvr': 'x-1' }, true],
    [{ 'msg.builds.0.nvr': 'y-2' }, false],
    [{ 'msg.nothing.nvr': 'y-2' }, false],
    [{ n: { $gt: 4, $lte: 5 } }, true],
    [{ n: { $gte: 6 } }, false],
    [{ n: { $lt: '9' } }, false],
    [{ n: { $mod: [2, 1] } }, true],
    [{ n: { $in: [1, 5] } }, true],
    [{ n: { $nin: [1, 5] } }, false],
    [{ missing: { $ne: 1 } }, true],
    [{ missing: { $nin: [1] } }, true],
    [{ missing: { $not: { $eq: 1 } } }, true],
    [{ missing: { $gt: 1 } }, false],
    [{ missing: { $exists: false } }, true],
    [{ none: { $exists: true } }, true],
    [{ tags: { $all: ['b', 'a'] } }, true],
    [{ tags: { $size: 2 } }, true],
    [{ 'msg.builds': { $elemMatch: { nvr: 'x-1', id: 2 } } }, false],
    [{ 'msg.builds': { $elemMatch: { nvr: 'y-2', id: { $gt: 1 } } } }, true],
    [{ $and: [{ n: 5 }, { version: '24' }] }, true],
    [{ $or: [{ n: 4 }, { version: '24' }] }, true],
    [{ $nor: [{ n: 4 }, { version: '24' }] }, false],
    [{ $comment: 'why', n: { $eq: 5, $comment: 'because' } }, true],
    [{ name: { $regex: 'cloud' } }, false],
    [{ name: { $regex: '/cloud/i' } }, true],
    [{ name: { $regex: 'Clou' } }, true],
    [{ name: { $not: { $regex: '^Cloud' } } }, true],
    [{ n: { $regex: '5' } }, false],
    [{ missing: { $regex: '' } }, false],
  ])('%j is answered %s', (query, answer) => {
    expect(compileQuery(query)(DATA)).toBe(answer);
  });

  test.each([
    [{ n: { $foo: 1 } }, /unknown operator "\$foo"/],
    [{ n: { $gtt: 1 } }, /did you mean "\$gt"\?/],
    [{ n: { $where: 'true' } }, /unknown operator "\$where"/],
    [{ $text: {} }, /unknown operator "\$text"/],
    [{ n: { $regex: 'a', $options: 'i' } }, /unknown operator "\$options"/],
    [{ n: { $in: 5 } }, /\$in needs a list/],
    [{ $or: { n: 5 } }, /\$or needs a list of queries/],
    [{ $and: [5] }, /a query is a map/],
    [{ n: { $not: 5 } }, /a query is a map/],
    [{ n: { $mod: [2] } }, /\$mod needs/],
    [{ n: { $size: 'x' } }, /\$size needs a number/],
    [{ n: { $exists: 'yes' } }, /\$exists needs true or false/],
    [{ n: { $regex: '(' } }, /cannot be read as a regular expression/],
    [{ n: { $regex: 5 } }, /\$regex needs a text/],
    ['n', /a query is a map/],
  ])('%j cannot be asked', (query, pattern) => {
    expect(() => compileQuery(query)).toThrow(/^rules\.query: /);
    expect(() => compileQuery(query)).toThrow(pattern);
  });
});

describe('T4: regular expressions are read as Python reads them', () => {
  const PATTERNS = [
    'b',
    '^ab$',
    'ab$',
    String.raw`\Aab\Z`,
    String.raw`(?P<q>a)(?P=q)`,
    '[]a]b',
    '[^]a]b',
    '/AB/i',
    '/a.b/s',
    '/^b$/m',
    '/ a  b # both\n c/x',
    String.raw`/a\ b/x`,
    '/[ ]b/x',
    '(?i)AB',
    '#a',
    '/a b/',
  ];
  const TEXTS = ['ab', 'ab\n', 'ab\n\n', 'aab', 'a\nb', ']b', 'cb', 'abc', 'a b', ' b', 'b', '#a'];

  test('on the same texts they find the same', () => {
    const ours = PATTERNS.map((pattern) => TEXTS.map((text) => pythonRegex(pattern).test(text)));
    expect(ours).toEqual(searchInPython(PATTERNS, TEXTS));
  });
});

function searchInPython(patterns: string[], texts: string[]): unknown {
  const source = `
import json, re, sys
patterns, texts = json.load(sys.stdin)
def compiled(text):
    found = re.match(r"(?s)/(.*)/([imsx]*)$", text)
    flags = 0
    for flag in found.group(2) if found else "":
        flags |= getattr(re, flag.upper())
    return re.compile(found.group(1) if found else text, flags)
print(json.dumps([[bool(compiled(p).search(t)) for t in texts] for p in patterns]))`;
  const input = JSON.stringify([patterns, texts]);
  return JSON.parse(execFileSync('python3', ['-c', source], { input, encoding: 'utf8' }));
}
