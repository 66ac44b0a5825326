import type { ApiKey } from '@comfy-fleet/contracts';
import { ConfigError } from '../config-error.js';
import { type ApiKeyFault, checkApiKeys } from './check-api-keys.js';

/** Reads the text of a keys file. Throws a ConfigError with every fault; `path` is only for its words. */
export function parseApiKeys(text: string, path: string): readonly ApiKey[] {
  const { keys, faults } = checkApiKeys(parseJson(text, path));
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `${path}: ${sentence(fault)}`));
  return keys;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')); // some editors put a byte order mark in front
  } catch (error) {
    // the parser's message may quote a piece of the file, and that may be a secret
    const reason = (error as SyntaxError).message.replace(/,? (\.\.\.)?".*/s, '');
    throw new ConfigError([`${path}: is not valid JSON (${reason})`]);
  }
}

function sentence({ index, field, rule }: ApiKeyFault): string {
  const what = field === '' ? (index === undefined ? 'the file' : 'it') : field;
  return index === undefined ? `${what} ${rule}` : `key no. ${index + 1}: ${what} ${rule}`;
}
