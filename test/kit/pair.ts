import type { Clock } from '../../src/base/clock.ts';
import { decode, encode } from '../../src/protocol/codec.ts';
import type { Connection } from '../../src/protocol/transport.ts';

/** Two ends of a wire inside one process, with the real encoding between them. */
export function pairConnections<A, B>(
  clock: Clock,
  name: string,
): [Connection<A, B>, Connection<B, A>] {
  type End = {
    handler: ((messages: never[]) => void) | undefined;
    early: never[][];
    onClose: ((reason: string) => void) | undefined;
  };
  const ends: [End, End] = [
    { handler: undefined, early: [], onClose: undefined },
    { handler: undefined, early: [], onClose: undefined },
  ];
  let open = true;

  function makeEnd(mine: End, other: End, id: string): Connection<never, never> {
    return {
      id,
      remote: 'pair',
      send(messages) {
        if (!open) return;
        const frame = encode(messages);
        clock.soon(() => {
          if (!open) return;
          const received = decode(frame) as never[];
          if (other.handler) other.handler(received);
          else other.early.push(received);
        });
      },
      onMessages(handler) {
        mine.handler = handler;
        for (const messages of mine.early.splice(0)) handler(messages);
      },
      onClose: (handler) => void (mine.onClose = handler),
      close(reason) {
        if (!open) return;
        open = false;
        clock.soon(() => {
          ends[0].onClose?.(reason);
          ends[1].onClose?.(reason);
        });
      },
    };
  }

  return [
    makeEnd(ends[0], ends[1], `${name}/a`) as unknown as Connection<A, B>,
    makeEnd(ends[1], ends[0], `${name}/b`) as unknown as Connection<B, A>,
  ];
}
