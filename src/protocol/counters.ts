/** How often each thing went wrong, by stable code; `/metrics` shows them. */
export type Counters = Map<string, number>;

export function count(counters: Counters, code: string, times = 1): void {
  counters.set(code, (counters.get(code) ?? 0) + times);
}
