/** The ways that a program can take at each of its branches, as places in its text. */
import { parseAst } from 'vitest/node';

/** One way: taken as often as what stands at `at` ran. */
export interface Arm {
  kind: 'if' | 'else' | 'choice' | 'operand' | 'case' | 'catch' | 'function';
  /** Offset in the text. */
  at: number;
  /**
   * An `else` that is not written: taken when what stands at `at`, the whole statement, ran more
   * often than its `if`.
   */
  less?: number;
}

interface Node {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

/** Of a module as it is run. Operands are the right ones of `&&`, `||` and `??`. */
export function armsOf(text: string): Arm[] {
  const arms: Arm[] = [];
  walk(parseAst(text) as unknown as Node, (node) => arms.push(...armsAt(node)));
  return arms.sort((a, b) => a.at - b.at);
}

function armsAt(node: Node): Arm[] {
  const child = (name: string) => node[name] as Node;
  switch (node.type) {
    case 'IfStatement': {
      const taken: Arm = { kind: 'if', at: child('consequent').start };
      const other = node['alternate'] as Node | null;
      if (other) return [taken, { kind: 'else', at: other.start }];
      return [taken, { kind: 'else', at: node.start, less: taken.at }];
    }
    case 'ConditionalExpression':
      return [child('consequent'), child('alternate')].map(({ start }) => ({
        kind: 'choice',
        at: start,
      }));
    case 'LogicalExpression':
      return [{ kind: 'operand', at: child('right').start }];
    case 'SwitchCase': {
      const [first] = node['consequent'] as Node[];
      return first ? [{ kind: 'case', at: first.start }] : [];
    }
    case 'CatchClause':
      return [{ kind: 'catch', at: child('body').start }];
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return isEmpty(child('body')) ? [] : [{ kind: 'function', at: child('body').start }];
    default:
      return [];
  }
}

/** Such as the names of effects in a machine: there is nothing in it to reach. */
function isEmpty({ type, body }: Node): boolean {
  return type === 'BlockStatement' && (body as Node[]).length === 0;
}

function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const value of Object.values(node)) {
    for (const inner of Array.isArray(value) ? value : [value]) {
      if (typeof inner === 'object' && inner !== null && 'type' in inner)
        walk(inner as Node, visit);
    }
  }
}
