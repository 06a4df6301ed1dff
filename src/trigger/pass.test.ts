import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseMessage, readMessage } from './envelope.ts';
import type { Message } from './envelope.ts';
import { JOB_TRIGGERS, triggersFor } from './job-triggers/table.ts';
import { passMessage } from './pass.ts';
import { readRules } from './rules.ts';

const EXAMPLES = new URL('../../examples/', import.meta.url);
const RULES = readRules(readFileSync(new URL('trigger_rules.yml', EXAMPLES), 'utf8'), {
  file: 'trigger_rules.yml',
});

describe('T1: the Cloud compose trigger', () => {
  test('a finished compose gives the two images that it holds', () => {
    const { data, discarded } = pass(sample('fedmsg-pungi.compose.status.change-FINISHED'));
    expect(discarded).toEqual([]);
    const images =
      'http://kojipkgs.fedoraproject.org/compose/rawhide/Fedora-24-20151208.n.7/compose/CloudImages/x86_64/images';
    const shared = { item_type: 'compose', version: '24', release: '20151208.n.7' };
    expect(data).toMatchObject([
      {
        ...shared,
        message_type: 'CloudCompose',
        name: 'Fedora-Cloud',
        item: `${images}/Fedora-Cloud-Base-24-20151208.n.7.x86_64.qcow2`,
      },
      {
        ...shared,
        message_type: 'AtomicCompose',
        name: 'Fedora-Atomic',
        item: `${images}/Fedora-Atomic-24-20151208.n.7.x86_64.qcow2`,
      },
    ]);
    expect(data[0]!._msg).toMatchObject({ timestamp: 1449600728, msg: { status: 'FINISHED' } });
  });

  test('an incomplete one counts as finished, under whatever envelope it comes', () => {
    const { data } = pass(sample('bridged-pungi.compose.status.change-FINISHED_INCOMPLETE'));
    expect(data.map(({ version, release }) => [version, release])).toEqual([
      ['Rawhide', '20170206.n.0'],
      ['Rawhide', '20170206.n.0'],
    ]);
  });

  test.each([
    ['fedmsg-pungi.compose.status.change-STARTED', 'the compose is "STARTED", not finished'],
    ['amqp-pungi.compose.status.change-DOOMED', 'the compose is "DOOMED", not finished'],
  ])('%s is discarded with the reason', (name, why) => {
    const passed = pass(sample(name));
    expect(passed).toEqual({
      data: [],
      discarded: [`cloud-compose: ${why}`],
      matched: [],
      requests: [],
    });
  });

  test.each([
    ['Fedora-Cloud-24-20170310.0', ['CloudCompose']],
    ['Fedora-Atomic-25-20170310.0', ['AtomicCompose']],
    ['Fedora-Modular-Bikeshed-20180215.n.0', []],
    ['Fedora-24', []],
    ['../../etc', []],
  ])('compose %s gives %j', (composeId, types) => {
    const { data, discarded } = pass(compose({ compose_id: composeId }));
    expect(data.map((one) => one.message_type)).toEqual(types);
    expect(discarded).toHaveLength(types.length === 0 ? 1 : 0);
  });

  test.each([
    [{ status: undefined }, /body\.status is missing/],
    [{ compose_id: 24 }, /body\.compose_id is missing or no text/],
    [{ location: 'file:///etc' }, /body\.location is no web address/],
    [{ location: 'http://a/b c' }, /body\.location is no web address/],
  ])('a message with %j is invalid', (body, pattern) => {
    expect(() => pass(compose(body))).toThrow(/^message\.invalid: /);
    expect(() => pass(compose(body))).toThrow(pattern);
  });

  test('topics are heard by their beginning, the empty one hears all', () => {
    const all = { name: 'all', topics: [''], draw: () => ({ discarded: 'x' }) };
    const two = { ...all, name: 'two', topics: ['org.x', 'org.y.'] };
    const names = (topic: string) => triggersFor(topic, [all, two]).map(({ name }) => name);
    expect(names('org.y.z')).toEqual(['all', 'two']);
    expect(names('org.y')).toEqual(['all']);
  });
});

describe('T25: a message passes as plain objects', () => {
  test("the mission's rule asks for both tasks on every configured architecture", () => {
    const passed = pass(sample('fedmsg-pungi.compose.status.change-FINISHED'));
    expect(passed.matched).toEqual([
      { number: 2, line: 10, messageType: 'CloudCompose' },
      { number: 1, line: 5, messageType: 'AtomicCompose' },
    ]);
    expect(passed.requests.map(({ task, arch }) => `${task} ${arch}`)).toEqual([
      'fedora-cloud-tests x86_64',
      'fedora-cloud-tests noarch',
      'upstream-atomic x86_64',
      'upstream-atomic noarch',
      'fedora-cloud-tests x86_64',
      'fedora-cloud-tests noarch',
    ]);
    expect(passed.requests[2]).toMatchObject({
      itemType: 'compose',
      item: expect.stringContaining('Fedora-Atomic'),
      jobData: { message_type: 'AtomicCompose' },
    });
    expect(JSON.parse(JSON.stringify(passed))).toEqual(passed);
  });

  test('a message that nobody hears says so', () => {
    expect(pass(sample('amqp-buildsys.tag')).discarded).toEqual([
      'no job trigger hears org.fedoraproject.prod.buildsys.tag',
    ]);
  });
});

function pass(message: Message) {
  return passMessage(message, {
    triggers: JOB_TRIGGERS,
    rules: RULES,
    arches: ['x86_64', 'noarch'],
  });
}

function sample(name: string): Message {
  return readMessage(readFileSync(new URL(`messages/${name}.json`, EXAMPLES), 'utf8'));
}

function compose(body: Record<string, unknown>): Message {
  const given = {
    status: 'FINISHED',
    compose_id: 'Fedora-24-20151208.n.7',
    location: 'http://a/b',
  };
  return parseMessage({
    topic: 'org.fedoraproject.prod.pungi.compose.status.change',
    body: { ...given, ...body },
  });
}
