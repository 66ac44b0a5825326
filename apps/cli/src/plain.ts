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
