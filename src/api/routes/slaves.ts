import { z } from 'zod';
import { drainBody, enrolBody, slaveStatus } from '../../protocol/http.ts';
import { idText } from '../../protocol/run.ts';
import type { Call, Route } from '../route.ts';
import { bodyOf, paramsOf } from '../route.ts';

const nameParam = z.object({ name: idText });
const nameOf = (call: Call) => paramsOf(call, nameParam).name;

export const slaves: Route[] = [
  {
    method: 'GET',
    path: '/api/slaves',
    scope: 'read',
    summary: 'Lists slaves.',
    answer: z.array(slaveStatus),
    handle: ({ service }) => service.listSlaves(),
  },
  {
    method: 'GET',
    path: '/api/slaves/:name',
    scope: 'read',
    summary: 'One slave.',
    answer: slaveStatus,
    handle: (call) => call.service.getSlave(nameOf(call)),
  },
  {
    method: 'POST',
    path: '/api/slaves/:name/drain',
    scope: 'operate',
    summary: 'Gives a slave no new work until it is resumed, or for a time.',
    body: drainBody,
    answer: slaveStatus,
    handle: (call) => call.service.drainSlave(nameOf(call), call.by, bodyOf(call, drainBody)),
  },
  {
    method: 'POST',
    path: '/api/slaves/:name/resume',
    scope: 'operate',
    summary: 'Gives a slave work again.',
    answer: slaveStatus,
    handle: (call) => call.service.resumeSlave(nameOf(call), call.by),
  },
  {
    method: 'POST',
    path: '/api/slaves/enrol',
    scope: 'enrol',
    summary: 'Trades an enrolment token for a credential, once.',
    body: enrolBody,
    answer: z.object({ token: z.string() }),
    handle: (call) => call.service.enrol(bodyOf(call, enrolBody).name, call.by),
  },
];
