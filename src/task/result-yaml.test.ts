import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { OUTCOMES, checkDetail } from './check-detail.ts';
import type { CheckDetail } from './check-detail.ts';
import { RESERVED_KEYS, exportResults, importResults } from './result-yaml.ts';

describe('T17: results as YAML', () => {
  test('item and outcome are always written, the others only if they are set', () => {
    expect(read([checkDetail({ item: 'x' })])).toEqual([
      { item: 'x', outcome: 'NEEDS_INSPECTION' },
    ]);
    const full = checkDetail({
      item: 'x',
      type: 'koji_build',
      outcome: 'FAILED',
      note: '',
      checkname: 'rpmlint',
      artifact: 'a/b.log',
      output: ['l'],
      keyvals: { arch: 'noarch', count: 3 },
      internal: { resultsdb_result_id: 5 },
    });
    expect(read([full])).toEqual([
      {
        item: 'x',
        type: 'koji_build',
        checkname: 'rpmlint',
        outcome: 'FAILED',
        note: '',
        artifact: 'a/b.log',
        output: ['l'],
        arch: 'noarch',
        count: 3,
        _internal: { resultsdb_result_id: 5 },
      },
    ]);
  });

  test('keys that are reserved are dropped, each with a warning', () => {
    const keyvals = Object.fromEntries(RESERVED_KEYS.map((key) => [key, 'mine']));
    const warnings: string[] = [];
    const detail = checkDetail({ item: 'x', keyvals: { ...keyvals, own: 1 } });
    const text = exportResults([detail], (warning) => warnings.push(warning));
    expect(parse(text)).toEqual({
      results: [{ item: 'x', outcome: 'NEEDS_INSPECTION', own: 1 }],
    });
    expect(warnings).toHaveLength(8);
    expect(warnings[0]).toBe('result of "x": key "item" is reserved, dropped');
  });

  test.each([
    ['nothing', '', /^task\.results\.missing: r holds nothing/],
    ['null', null, /^task\.results\.missing: r holds nothing/],
    ['bad YAML', 'results: [', /^task\.results\.yaml: r:1:11: /],
    ['a list', '- item: x', /^task\.results\.type: r is not a map/],
    ['a text', 'PASSED', /^task\.results\.type: r is not a map/],
    ['no results', 'result: []', /^task\.results\.missing: r has no "results"/],
    ['results that are a map', 'results: {item: x}', /^task\.results\.type: "results" in r/],
    ['no item', 'results:\n- outcome: INFO', /^task\.results\.missing: r:2:3: results\[0\]\.item/],
    ['a numeric item', 'results:\n- item: 1.0', /^task\.results\.type: r:2:9: .*received number/],
    [
      'a wrong outcome',
      'results:\n- item: x\n  outcome: passed',
      /r:3:12: .*did you mean "PASSED"/,
    ],
    ['a wrong outcome in data', { results: [{ item: 'x', outcome: 'OK' }] }, /is not an outcome/],
  ])('%s is refused', (_, given, pattern) => {
    expect(() => importResults(given, 'r')).toThrow(pattern);
  });

  test('all faults of a document are told at once', () => {
    const text = 'results:\n- item: 3\n- outcome: X\n  item: y';
    expect(() => importResults(text, 'r')).toThrow(
      /^task\.results\.invalid: 2 problems\n {2}r:2:9/,
    );
  });

  test('an empty or null list holds no results, an absent outcome needs inspection', () => {
    expect(importResults('results: []', 'r')).toEqual([]);
    expect(importResults('results:', 'r')).toEqual([]);
    expect(importResults({ results: null }, 'r')).toEqual([]);
    expect(importResults('results: [{item: x, note: null}]', 'r')).toEqual([
      checkDetail({ item: 'x' }),
    ]);
  });

  test('any result comes back as it was written', () => {
    fc.assert(
      fc.property(fc.array(detail(), { maxLength: 4 }), (details) => {
        const text = exportResults(details, (warning) => {
          throw new Error(warning);
        });
        expect(importResults(text, 'r')).toEqual(details);
      }),
    );
  });
});

function read(details: CheckDetail[]): unknown {
  const text = exportResults(details, (warning) => {
    throw new Error(warning);
  });
  return (parse(text) as { results: unknown }).results;
}

function detail(): fc.Arbitrary<CheckDetail> {
  const reserved = [...RESERVED_KEYS, 'output', '__proto__'] as string[];
  const key = fc.string().filter((text) => !reserved.includes(text));
  return fc
    .record(
      {
        item: fc.string(),
        outcome: fc.constantFrom(...OUTCOMES),
        output: fc.array(fc.string()),
        keyvals: fc.dictionary(key, fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
          noNullPrototype: true,
        }),
        type: fc.string(),
        note: fc.string({ unit: 'grapheme' }),
        checkname: fc.string(),
        artifact: fc.string(),
      },
      { requiredKeys: ['item', 'outcome', 'output', 'keyvals'] },
    )
    .map((given) => checkDetail(given as CheckDetail));
}
