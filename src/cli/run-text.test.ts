import { expect, test } from 'vitest';
import { aRun } from './host-fixture.ts';
import { runText } from './run-text.ts';

const textOf = (own: Parameters<typeof aRun>[0]) => runText(aRun(own), 0, (_, text) => text);

test('who holds a run is told, also of one that goes on', () => {
  const hold = { by: 'ann', note: 'until the mirror\nis back' };
  expect(textOf({ state: 'RUNNING', substate: 'executing', hold })).toMatch(
    /^state +RUNNING executing, held\nheld +by ann: until the mirror.is back$/m,
  );
  expect(textOf({ state: 'PENDING', substate: 'held', hold })).toMatch(/^state +PENDING held$/m);
  expect(textOf({})).not.toMatch(/^held/m);
});
