import { z } from 'zod';

export interface MessageFacts {
  topic?: string | undefined;
  compose?: string | undefined;
  status?: string | undefined;
  location?: string | undefined;
  /** When it was sent. */
  at?: string | undefined;
}

const envelope = z.object({
  topic: z.string().optional(),
  timestamp: z.number().optional(),
  msg: z.object({
    compose_id: z.string().optional(),
    status: z.string().optional(),
    location: z.string().optional(),
  }),
});

/** What a fedmsg of pungi says, for showing it; no decision rests on this. */
export function parseMessageFacts(text: string): MessageFacts {
  const { topic, timestamp, msg } = envelope.parse(JSON.parse(text));
  return {
    topic,
    compose: msg.compose_id,
    status: msg.status,
    location: msg.location,
    at: timestamp === undefined ? undefined : new Date(timestamp * 1000).toISOString(),
  };
}
