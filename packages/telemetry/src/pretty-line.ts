import { inspect, styleText } from 'node:util';
import { isPlainError, type PlainError } from './plain-fields.js';

const LEVEL_COLOURS: Readonly<Record<string, 'red' | 'yellow' | 'green' | 'blue'>> = {
  error: 'red',
  warn: 'yellow',
  info: 'green',
  debug: 'blue',
};

/** `12:03:44.120 INFO  worker job finished job=0198… ms=12`, coloured, always exactly one line. */
export function prettyLine(info: Readonly<Record<string, unknown>> & { readonly level: string }): string {
  const { timestamp, level, service, message, ...fields } = info;
  const time = String(timestamp).slice(11, 23);
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined) // JSON leaves it out as well
    .map(([key, value]) => `${paint('cyan', `${key}=`)}${show(value)}`);
  return [
    paint('gray', time),
    paint(LEVEL_COLOURS[level] ?? 'white', level.toUpperCase().padEnd(5)),
    paint('magenta', String(service)),
    oneLine(String(message)),
    ...pairs,
  ].join(' ');
}

/** Coloured even into a pipe: whoever asks for `pretty` has a reader at its other end. */
function paint(colour: Parameters<typeof styleText>[0], text: string): string {
  return styleText(colour, text, { validateStream: false });
}

function show(value: unknown): string {
  if (isPlainError(value)) return quote(sentence(value));
  if (typeof value === 'string') return /^[^\s"=\p{C}]+$/u.test(value) ? value : quote(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return oneLine(inspect(value, { depth: 4, breakLength: Number.POSITIVE_INFINITY, compact: true }));
}

/** The stack is left to the json format; the line where the error arose is what a reader looks for first. */
function sentence({ name, message, code, stack, cause, errors }: PlainError): string {
  const where = stack
    ?.split('\n')
    .find((line) => line.trimStart().startsWith('at '))
    ?.trim();
  const head =
    code === undefined || message.startsWith(`${code}`) ? `${name}: ${message}` : `${name} ${code}: ${message}`;
  const causes = [...(cause === undefined ? [] : [cause]), ...(errors ?? [])];
  const because = causes.map((each) => ` <- ${isPlainError(each) ? sentence(each) : inspect(each)}`);
  return `${head}${where === undefined ? '' : ` (${where})`}${because.join('')}`;
}

/** Prompts and other people's words reach the log; control characters among them must not steer the terminal. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (char) =>
    char === '\n' ? '\\n' : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function quote(text: string): string {
  return `"${oneLine(text.replaceAll('"', '\\"'))}"`;
}
