/** One line for each thing that happened, for people; kept only when somebody asked for it. */
export interface Timeline {
  add: (who: string, what: string) => void;
  readonly lines: readonly string[];
}

export function makeTimeline(now: () => number): Timeline {
  const lines: string[] = [];
  return {
    lines,
    add(who, what) {
      const seconds = (now() / 1e6).toFixed(6).padStart(12);
      lines.push(`${seconds}  ${who.padEnd(8)} ${what}`);
    },
  };
}

/** The fields of a message or an event in one line, long ones cut. */
export function brief(value: object): string {
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([name, inner]) => `${name}=${short(inner)}`)
    .join(' ');
}

function short(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `${value.slice(0, 57)}...` : value;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  const text = JSON.stringify(value, (_, inner: unknown) =>
    inner instanceof Uint8Array ? `${inner.length} bytes` : inner,
  );
  return text === undefined || text.length <= 120 ? String(text) : `${text.slice(0, 117)}...`;
}
