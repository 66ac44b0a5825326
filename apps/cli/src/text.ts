import sliceAnsi from 'slice-ansi';
import stringWidth from 'string-width';

/** Makes foreign text safe for a terminal: one line, with characters that control it or the direction of text escaped. */
export function plain(text: string): string {
  return text
    .replace(/[\t\n\v\f\r\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, (control) => `\\u${control.charCodeAt(0).toString(16)}`);
}

/** Like `plain`, but keeps line breaks. */
export function plainLines(text: string): string {
  return text.split('\n').map(plain).join('\n');
}

/** Escapes, as JSON does, the control characters that JSON.stringify leaves raw, so that no result can control a terminal. */
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

/** Shortens a line so that a terminal does not wrap it. */
export function fitting(line: string, columns: number): string {
  return cut(plain(line), Math.max(2, columns - 1));
}

/** Cuts a text to a number of columns; characters of some scripts take two. */
export function cut(text: string, columns: number): string {
  return stringWidth(text) <= columns ? text : `${sliceAnsi(text, 0, Math.max(0, columns - 1))}…`;
}

/** Wraps a text between words, to lines of at most `width`. */
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

/** Bytes for people: `640 bytes`, `1.2 GiB`. */
export function showBytes(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? bytes : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[step]}`;
}

/** A URL without user, password and query, which may be secret. */
export function showUrl(url: string): string {
  if (!URL.canParse(url)) return '(not an address)';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
