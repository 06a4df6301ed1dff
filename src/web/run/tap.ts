/** Reads TAP 13 as results are written in. Pure. */

export interface TapPoint {
  outcome: { name: string; isGood: boolean };
  text: string;
  /** Its YAML, as it was written. */
  more: string;
}

const POINT = /^(not )?ok\b *(\d+)? *(?:- )?([^#]*)(?:#\s*(\w+)\s*(.*))?$/;

export function readTap(text: string): { points: TapPoint[] } {
  const points: TapPoint[] = [];
  let isInYaml = false;
  for (const line of text.split('\n')) {
    const last = points.at(-1);
    if (isInYaml) {
      if (line.trim() === '...') isInYaml = false;
      else if (last) last.more += `${line.replace(/^ {2}/, '')}\n`;
      continue;
    }
    if (/^\s+---/.test(line)) {
      isInYaml = true;
      continue;
    }
    const match = POINT.exec(line);
    if (!match) continue;
    const [, not, , name = '', directive] = match;
    const isExcused = /^(?:skip|todo)/i.test(directive ?? '');
    points.push({
      outcome: {
        name: isExcused ? directive!.toUpperCase() : not ? 'not ok' : 'ok',
        isGood: not === undefined || isExcused,
      },
      text: name.trim(),
      more: '',
    });
  }
  return { points };
}
