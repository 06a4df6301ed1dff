/** Tickets: each opens one inspection socket, once and soon. In memory: a restart ends them all. */
import type { Clock } from '../../base/clock.ts';
import { YardError } from '../../base/errors.ts';
import type { Ids } from '../../base/random.ts';
import { formatInstant } from '../../base/units.ts';
import type { Devtools, Principal } from '../../protocol/service.ts';

const TTL_MS = 30_000;
const TICKETS_MAX = 1000;

export function makeTickets({
  clock,
  ids,
}: {
  clock: Clock;
  ids: Ids;
}): Pick<Devtools, 'createTicket' | 'redeemTicket'> {
  const open = new Map<string, { by: Principal; endsAt: number }>();
  return {
    async createTicket(by) {
      const ticket = `ryt_${ids.random(32)}`;
      for (const oldest of open.keys()) {
        if (open.size < TICKETS_MAX) break;
        open.delete(oldest);
      }
      open.set(ticket, { by, endsAt: clock.now() + TTL_MS });
      return { ticket, expiresAt: formatInstant(clock.wall() + TTL_MS) };
    },
    async redeemTicket(ticket) {
      const found = open.get(ticket);
      open.delete(ticket);
      if (found && clock.now() < found.endsAt) return found.by;
      throw new YardError('auth.ticket', 'this ticket is not known, was used, or is too old', {
        hint: 'ask for a new one: POST /api/tickets',
      });
    },
  };
}
