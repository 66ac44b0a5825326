import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDocument } from 'yaml';
import type { Environment } from './environment.js';

/**
 * JSON is YAML. The parser's message may quote a part of the file, which may be a secret, so the error only names the
 * position.
 */
export function parseYaml(text: string): { readonly value?: unknown; readonly fault?: string } {
  const document = parseDocument(text.replace(/^\uFEFF/, ''));
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const [start] = error.linePos ?? [];
    const place = start === undefined ? '' : ` in line ${start.line}, column ${start.col}`;
    return { fault: `is neither valid JSON nor valid YAML (${error.code}${place})` };
  }
  try {
    return { value: document.toJS() };
  } catch {
    return { fault: 'is not valid YAML (an alias leads nowhere, or to too much)' };
  }
}

/** Where to find values that are not in the file itself. */
export interface ValueSources {
  /** The folder to which paths are relative. */
  readonly dir: string;
  readonly env: Environment;
}

/** A secret, or an error so that "<field> <fault>" is a sentence. Errors show no value. */
export type SecretValue = { readonly value: string } | { readonly fault: string };

const FORM = 'must be a text in quotes, {"file": "<path>"} or {"env": "<variable>"}, optionally with a "prefix"';

/** Reads a secret: text, or a file or environment variable, after an optional `prefix`. */
export function secretValue(given: unknown, sources: ValueSources): SecretValue {
  const read = typeof given === 'string' ? { value: given.trim() } : readElsewhere(given, sources);
  if ('fault' in read) return read;
  if (read.value === '') return { fault: 'is empty' };
  // Characters that Node refuses in headers, except tabs, and non-ASCII ones, on whose encoding proxies disagree.
  if (!/^[\x20-\x7e]+$/.test(read.value)) return { fault: 'has a line break or a character that is not ASCII' };
  return read;
}

function readElsewhere(given: unknown, { dir, env }: ValueSources): SecretValue {
  if (typeof given !== 'object' || given === null) return { fault: FORM };
  const { file, env: variable, prefix = '', ...unknown } = given as Readonly<Record<string, unknown>>;
  if (Object.keys(unknown).length > 0 || typeof prefix !== 'string') return { fault: FORM };
  if (typeof file === 'string' && variable === undefined) return withPrefix(prefix, fromFile(resolve(dir, file)));
  if (typeof variable === 'string' && file === undefined) return withPrefix(prefix, fromEnvironment(variable, env));
  return { fault: FORM };
}

function withPrefix(prefix: string, read: SecretValue): SecretValue {
  return 'fault' in read ? read : { value: prefix + read.value };
}

function fromFile(path: string): SecretValue {
  try {
    const value = readFileSync(path, 'utf8').trim();
    return value === '' ? { fault: `is empty in the file ${path}` } : { value };
  } catch (error) {
    return { fault: `cannot be read from the file ${path} (${(error as NodeJS.ErrnoException).code})` };
  }
}

function fromEnvironment(variable: string, env: Environment): SecretValue {
  const value = env[variable]?.trim() ?? '';
  return value === '' ? { fault: `needs the environment variable ${variable}, which is not set` } : { value };
}
