/** What a run writes, by name; `combined` holds both in the order in which they were seen. */
export const STREAMS = ['stdout', 'stderr', 'combined'] as const;
export type Stream = (typeof STREAMS)[number];
