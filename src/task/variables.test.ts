import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isYardError } from '../base/errors.ts';
import { pythonText } from './python-text.ts';
import { placeholdersIn, substitute } from './variables.ts';

const VARIABLES = { a: 'one', _b2: 'two', item: 'xchat-0.5-1.fc20', empty: '', dollar: '$a' };

describe('T8: variables', () => {
  test('a text that is only one variable becomes its value with its type', () => {
    const value = { rpms: ['a.rpm'], count: 3 };
    expect(substitute('${v}', { v: value })).toBe(value);
    expect(substitute('$v', { v: 0 })).toBe(0);
    expect(substitute('${v}', { v: null })).toBe(null);
    expect(substitute(' ${v}', { v: 3 })).toBe(' 3');
  });

  test('an attribute is read only inside braces', () => {
    const variables = { v: { rpms: ['a', 'b'], deep: { er: true } } };
    expect(substitute('${v.rpms}', variables)).toEqual(['a', 'b']);
    expect(substitute('${v.deep.er}', variables)).toBe(true);
    expect(substitute('$w.rpms', { w: 'x' })).toBe('x.rpms');
  });

  test('variables are put in at every depth, and into keys', () => {
    const value = { '$k-${k}': [{ x: ['$v'] }, 4, null, true] };
    expect(substitute(value, { k: 'key', v: 7 })).toEqual({
      'key-key': [{ x: [7] }, 4, null, true],
    });
  });

  test('two keys that become one are refused', () => {
    expect(() => substitute({ $a: 1, one: 2 }, { a: 'one' })).toThrow(/formula\.key: two keys/);
  });

  test('a variable that is not defined is named, with the known ones and the likely one', () => {
    const refused = errorOf(() => substitute('to ${compoes}', { compose: 'x', arch: 'y' }));
    expect(refused).toMatch(/^formula\.variable: "\$\{compoes\}" is not defined/);
    expect(refused).toContain('did you mean "compose"? known: arch, compose');
  });

  test('what every object inherits is no variable and no attribute', () => {
    expect(errorOf(() => substitute('$constructor', {}))).toMatch(/^formula\.variable/);
    expect(errorOf(() => substitute('${v.toString}', { v: {} }))).toMatch(/^formula\.attribute/);
    expect(errorOf(() => substitute('${v.length}', { v: [1] }))).toMatch(/^formula\.attribute/);
  });

  test.each(['$(id)', 'costs $', '$1', '${a', '${a b}', '${}', '${v..w}'])(
    'a dollar sign that begins no variable is refused: %s',
    (text) => {
      expect(errorOf(() => substitute(text, { v: {}, a: '' }))).toMatch(/^formula\.placeholder/);
    },
  );

  test('placeholders are found with their paths, escapes are none', () => {
    const found = placeholdersIn({ shell: ['$a $$b', { $c: '${d.e}' }] });
    expect(found.map(({ path, name }) => [path.join('.'), name])).toEqual([
      ['shell.0', 'a'],
      ['shell.1.$c', 'c'],
      ['shell.1.$c', 'd'],
    ]);
  });

  test('doubling every dollar sign makes any text come out as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'$a{}._ \n'.split('')) }), (text) => {
        expect(substitute(text.replaceAll('$', '$$$$'), {})).toBe(text);
      }),
    );
  });

  test('what is put in is not looked at again', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(substitute('<$v>', { v: value })).toBe(`<${value}>`);
      }),
    );
  });

  test("Python's string.Template gives the same text, or refuses the same ones", () => {
    const words = [
      '$',
      '$$',
      '$a',
      '${a}',
      '${_b2}',
      '$item',
      '$nope',
      '${',
      '}',
      'a',
      '.',
      '-',
      ' ',
    ];
    const templates = fc
      .sample(
        fc.array(fc.constantFrom(...words, '$empty', '$dollar', '$É', '${a.b}', '$A'), {
          maxLength: 6,
        }),
        600,
      )
      .map((parts) => parts.join(''));
    // Attributes are an addition of Taskotron's own.
    const plain = templates.filter((text) => !text.includes('${a.b}'));
    const ours = plain.map((text) => {
      try {
        return { text: pythonText(substitute(text, VARIABLES)) };
      } catch (error) {
        if (!isYardError(error)) throw error;
        return { refused: error.code === 'formula.variable' ? 'KeyError' : 'ValueError' };
      }
    });
    expect(ours).toEqual(askPython(TEMPLATE_ORACLE, { templates: plain, variables: VARIABLES }));
  });

  test("values inside a text are written as Python's str writes them", () => {
    const values = fc.sample(
      fc.jsonValue({ noUnicodeString: true }).filter((value) => !hasFloat(value)),
      300,
    );
    expect(values.map(pythonText)).toEqual(
      askPython('print(json.dumps([str(v) for v in given]))', values),
    );
  });
});

const TEMPLATE_ORACLE = `
import string
out = []
for text in given["templates"]:
    try:
        out.append({"text": string.Template(text).substitute(given["variables"])})
    except (KeyError, ValueError) as error:
        out.append({"refused": type(error).__name__})
print(json.dumps(out))
`;

function askPython(program: string, given: unknown): unknown {
  const source = `import json, sys\ngiven = json.load(sys.stdin)\n${program}`;
  const input = JSON.stringify(given);
  return JSON.parse(execFileSync('python3', ['-c', source], { input, encoding: 'utf8' }));
}

/** JavaScript has lost what Python would write of these: 1.0, 1e+16. */
function hasFloat(value: unknown): boolean {
  const isFloat = (item: unknown) => typeof item === 'number' && !Number.isSafeInteger(item);
  if (typeof value !== 'object' || value === null) return isFloat(value);
  return Object.values(value).some(hasFloat);
}

function errorOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isYardError(error)) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}
