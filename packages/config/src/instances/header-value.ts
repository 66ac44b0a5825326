import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Environment } from '../environment.js';

/** Where values that are not written in the instances file come from. */
export interface ValueSources {
  /** What relative paths are relative to. */
  readonly dir: string;
  readonly env: Environment;
}

/** A header's value, or what is wrong with it, so that "headers.<name> <fault>" is a sentence. No fault shows a value. */
export type HeaderValue = { readonly value: string } | { readonly fault: string };

/** What is no name of a header may be one with its value, and so is not shown. */
export const isHeaderName = (name: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);

/** HTTP itself and the client's own requests set these. */
const TAKEN =
  /^(connection|content-length|content-type|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade|sec-websocket-.*)$/i;
const FORM = 'must be a text in quotes, {"file": "<path>"} or {"env": "<variable>"}, with a "prefix" if need be';

/** Reads a header: its text, or a file or an environment variable that holds it, after an optional `prefix`. */
export function headerValue(name: string, given: unknown, sources: ValueSources): HeaderValue {
  if (TAKEN.test(name)) return { fault: 'is set by every request itself; leave it out' };
  const read = typeof given === 'string' ? { value: given.trim() } : readElsewhere(given, sources);
  if ('fault' in read) return read;
  if (read.value === '') return { fault: 'is empty' };
  // What Node refuses in a header, but for tabs, and what is not ASCII: proxies disagree on its encoding.
  if (!/^[\x20-\x7e]+$/.test(read.value)) return { fault: 'has a line break or a character that is not ASCII' };
  return read;
}

function readElsewhere(given: unknown, { dir, env }: ValueSources): HeaderValue {
  if (typeof given !== 'object' || given === null) return { fault: FORM };
  const { file, env: variable, prefix = '', ...unknown } = given as Readonly<Record<string, unknown>>;
  if (Object.keys(unknown).length > 0 || typeof prefix !== 'string') return { fault: FORM };
  if (typeof file === 'string' && variable === undefined) return withPrefix(prefix, fromFile(resolve(dir, file)));
  if (typeof variable === 'string' && file === undefined) return withPrefix(prefix, fromEnvironment(variable, env));
  return { fault: FORM };
}

function withPrefix(prefix: string, read: HeaderValue): HeaderValue {
  return 'fault' in read ? read : { value: prefix + read.value };
}

function fromFile(path: string): HeaderValue {
  try {
    const value = readFileSync(path, 'utf8').trim();
    return value === '' ? { fault: `is empty in the file ${path}` } : { value };
  } catch (error) {
    return { fault: `cannot be read from the file ${path} (${(error as NodeJS.ErrnoException).code})` };
  }
}

function fromEnvironment(variable: string, env: Environment): HeaderValue {
  const value = env[variable]?.trim() ?? '';
  return value === '' ? { fault: `needs the environment variable ${variable}, which is not set` } : { value };
}
