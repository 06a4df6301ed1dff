/**
 * More bugs: some that the simulator once found in the code, and for each oracle one that should
 * make it speak. They stand by the part of the system that they are in.
 */
import type { Mutant } from './mutant.ts';
import { CLIENTS } from './own-clients.ts';
import { SESSIONS } from './own-sessions.ts';
import { SLAVES } from './own-slaves.ts';
import { STATE } from './own-state.ts';

export const OWN: readonly Mutant[] = [...STATE, ...CLIENTS, ...SESSIONS, ...SLAVES];
