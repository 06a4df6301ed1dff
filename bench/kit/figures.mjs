/** Medians, and the small table in which a bench says what it found. */

export function median(values) {
  return quantile(values, 0.5);
}

export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** `1234 [1100-1300]` */
export function spread(values, digits = 0) {
  const text = (value) => value.toFixed(digits);
  return `${text(median(values))} [${text(Math.min(...values))}-${text(Math.max(...values))}]`;
}

export function title(text, settings) {
  console.log(`\n## ${text}`);
  for (const line of settings) console.log(`   ${line}`);
}

export function table(header, rows) {
  const all = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  for (const row of all) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
    );
    console.log(`   ${cells.join('  ')}`);
  }
}

/** One line beside its target; returns whether the target was met. */
export function verdict(what, figure, isMet, target) {
  console.log(`   ${isMet ? 'met   ' : 'MISSED'}  ${what}: ${figure} (target ${target})`);
  return isMet;
}
