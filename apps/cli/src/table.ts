import { styleText } from 'node:util';
import stringWidth from 'string-width';
import { cut, plain } from './text.js';

/** How a cell is to strike the eye; only in colour. */
export type Tone = 'good' | 'warn' | 'bad' | 'dim' | 'bold';
export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  readonly head: string;
  /** Numbers stand at the right. */
  readonly isNumber?: boolean;
  /** In a terminal too narrow for all columns, those with the highest number are left out first; undefined: never. */
  readonly spare?: number;
  /** Its texts may be cut down to so many characters, before columns are left out. */
  readonly least?: number;
}

const FORMATS = { good: 'green', warn: 'yellow', bad: 'red', dim: 'dim', bold: 'bold' } as const;
const GAP = '  ';

/** Text in its tone. */
export function toned(text: string, tone: Tone | undefined, isColored: boolean): string {
  // the terminal was asked before, which styleText would ask of stdout
  return tone === undefined || !isColored ? text : styleText(FORMATS[tone], text, { validateStream: false });
}

/** The heads of the columns, and a line for each row, whatever its texts hold, none longer than `width` characters. */
export function drawTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width, isColored }: { readonly width: number; readonly isColored: boolean },
): string[] {
  const heads: Cell[] = columns.map(({ head }) => ({ text: head, tone: 'dim' }));
  const all = [heads, ...rows].map((row) => row.map((cell) => ({ ...cell, text: plain(cell.text) })));
  const widths = columns.map((_column, at) => Math.max(...all.map((row) => stringWidth(row[at]?.text ?? ''))));
  const shown = fit(columns, widths, width);
  return all.map((row) => {
    const cells = shown.map(({ at, wide }, nth) => {
      const { text = '', tone } = row[at] ?? {};
      const short = cut(text, wide);
      const space = ' '.repeat(Math.max(0, wide - stringWidth(short)));
      const isLast = nth === shown.length - 1;
      const padded = columns[at]?.isNumber ? space + short : isLast ? short : short + space;
      return toned(padded, tone, isColored);
    });
    return cells.join(GAP);
  });
}

/** Which columns are shown, and how wide. */
function fit(columns: readonly Column[], widths: readonly number[], width: number): { at: number; wide: number }[] {
  const leastOf = (at: number) => Math.min(columns[at]?.least ?? Number.POSITIVE_INFINITY, widths[at] ?? 0);
  let shown = columns.map((_column, at) => ({ at, wide: leastOf(at) }));
  const left = () => width - shown.reduce((sum, { wide }) => sum + wide + GAP.length, -GAP.length);
  const spares = columns
    .map(({ spare = 0 }, at) => ({ at, spare }))
    .filter(({ spare }) => spare > 0)
    .sort((a, b) => b.spare - a.spare);
  for (const { at } of spares) {
    if (left() >= 0) break;
    shown = shown.filter((column) => column.at !== at);
  }
  for (const column of shown) column.wide += Math.max(0, Math.min((widths[column.at] ?? 0) - column.wide, left()));
  return shown;
}
