import { styleText } from 'node:util';
import stringWidth from 'string-width';
import type { Terminal } from './command.js';
import { cut, plain } from './text.js';

/** What the colour of a cell expresses. */
export type Tone = 'good' | 'warn' | 'bad' | 'dim' | 'bold';
export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  /** Undefined in a table without a header. */
  readonly head?: string;
  /** Numbers are aligned right. */
  readonly isNumber?: boolean;
  /** When the terminal is too narrow, columns with the highest number are left out first. Undefined: never left out. */
  readonly spare?: number;
  /** Its texts may be cut to this many characters before any column is left out. */
  readonly least?: number;
}

/** The width of terminals that report none, or zero, as some containers and editors do. */
const USUAL_WIDTH = 80;

export function widthOf(terminal: Terminal | undefined): number {
  return terminal?.columns || USUAL_WIDTH;
}

/** How a table is drawn on a terminal. */
export function drawingFor(terminal: Terminal | undefined): { readonly width: number; readonly isColored: boolean } {
  return { width: widthOf(terminal) - 1, isColored: terminal?.hasColors?.() ?? false };
}

const FORMATS = { good: 'green', warn: 'yellow', bad: 'red', dim: 'dim', bold: 'bold' } as const;
const GAP = '  ';

/** Colours a text by its tone. */
export function toned(text: string, tone: Tone | undefined, isColored: boolean): string {
  // styleText would check stdout for colours; our caller has checked the terminal
  return tone === undefined || !isColored ? text : styleText(FORMATS[tone], text, { validateStream: false });
}

/** Draws the header, if there is one, and a line for each row, none wider than `width` columns. */
export function drawTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width, isColored }: { readonly width: number; readonly isColored: boolean },
): string[] {
  const heads: Cell[] = columns.map(({ head = '' }) => ({ text: head, tone: 'dim' }));
  const hasHeads = columns.some(({ head }) => head !== undefined);
  const all = [...(hasHeads ? [heads] : []), ...rows].map((row) =>
    row.map((cell) => ({ ...cell, text: plain(cell.text) })),
  );
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
    return cells.join(GAP).trimEnd();
  });
}

/** Chooses which columns to show, and how wide. */
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
