import type { Job } from '@comfy-fleet/client';
import sliceAnsi from 'slice-ansi';
import stringWidth from 'string-width';

/** A text of others as a terminal may have it: in one line, and what would steer the terminal made visible. */
export function plain(text: string): string {
  return text
    .replace(/[\t\n\v\f\r\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** The same of a text whose lines are meant to be. */
export function plainLines(text: string): string {
  return text.split('\n').map(plain).join('\n');
}

/** Any result for a terminal: the control characters that JSON.stringify leaves raw, escaped as JSON has them. */
export function escaped(text: string): string {
  return text.replace(/[\u007f-\u009f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`);
}

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
  const line = plain(parts.join(' · '));
  return error === null ? line : `${line}\n${plain(error.detail)}`;
}

/** A line for each row, whatever its texts hold; columns as wide as their widest cell. */
export function table(texts: readonly (readonly string[])[]): string {
  const rows = texts.map((row) => row.map(plain));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, stringWidth(cell));
  }
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell + ' '.repeat((widths[at] ?? 0) - stringWidth(cell)))
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/** A line that a terminal does not wrap. */
export function fitting(line: string, columns: number): string {
  return cut(plain(line), Math.max(2, columns - 1));
}

/** A text of at most so many columns; letters of some scripts take two. */
export function cut(text: string, columns: number): string {
  return stringWidth(text) <= columns ? text : `${sliceAnsi(text, 0, Math.max(0, columns - 1))}…`;
}

/** A text in lines of at most `width`, between words. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of plain(text).split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes for people, with three digits or so. */
export function showBytes(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? bytes : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[step]}`;
}

/** An address without the user and password that may stand in it, and without a query, which may hold a token. */
export function showUrl(url: string): string {
  if (!URL.canParse(url)) return '(not an address)';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
