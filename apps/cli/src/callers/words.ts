import type { Job } from '@comfy-fleet/client';

/** "8 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 === 0 ? '' : ` ${whole % 60} s`}`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** How a job ended, in a line. */
export function ending({ id, status, duration_ms, seed, instance, error }: Job): string {
  const took = duration_ms === null ? '' : ` in ${(duration_ms / 1000).toFixed(1)} s`;
  const parts = [
    `${id} ${status}${took}`,
    ...(seed === null ? [] : [`seed ${seed}`]),
    ...(instance === null ? [] : [instance]),
  ];
  return error === null ? parts.join(' · ') : `${parts.join(' · ')}\n${error.detail}`;
}

/** Columns as wide as their widest cell; a line ends where the terminal does. */
export function table(rows: readonly (readonly string[])[], terminalColumns = Number.POSITIVE_INFINITY): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => fitting(line, terminalColumns)).join('\n');
}

/** A line that a terminal does not wrap. */
export function fitting(line: string, columns: number): string {
  return line.length < columns ? line : `${line.slice(0, Math.max(1, columns - 2))}…`;
}

/** A text in lines of at most `width`, between words. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
