/** What each slave sent: how much, what last, and when it beat. */
import type { ToMaster } from '../protocol/to-master.ts';

export interface SlaveTraffic {
  messages: number;
  lastType: string;
  lastAt: number;
  /** When its last heartbeats came, on the wall clock, oldest first. */
  beats: number[];
}

export interface Traffic {
  hear: (slave: string, messages: readonly ToMaster[], wallMs: number) => void;
  find: (slave: string) => SlaveTraffic | undefined;
}

/** An hour of them, at one each five seconds. */
const BEATS_MAX = 720;

export function makeTraffic(): Traffic {
  const bySlave = new Map<string, SlaveTraffic>();
  return {
    hear(slave, messages, wallMs) {
      const last = messages.at(-1);
      if (!last) return;
      let traffic = bySlave.get(slave);
      if (!traffic) {
        traffic = { messages: 0, lastType: '', lastAt: 0, beats: [] };
        bySlave.set(slave, traffic);
      }
      traffic.messages += messages.length;
      traffic.lastType = last.type;
      traffic.lastAt = wallMs;
      // Few frames hold more than one message, and no long one has its heartbeat in the middle.
      if (messages[0]!.type !== 'heartbeat' && last.type !== 'heartbeat') return;
      traffic.beats.push(wallMs);
      if (traffic.beats.length >= 2 * BEATS_MAX) traffic.beats.splice(0, BEATS_MAX);
    },
    find: (slave) => bySlave.get(slave),
  };
}
