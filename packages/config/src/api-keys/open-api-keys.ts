import { hash, timingSafeEqual } from 'node:crypto';
import { setInterval } from 'node:timers/promises';
import type { ApiKey } from '@comfy-fleet/contracts';
import { ConfigError } from '../config-error.js';
import { changedText } from './changed-text.js';
import { type ApiKeyFault, checkApiKeys } from './check-api-keys.js';

/**
 * The SHA-256 of a key, as the keys file has it: 64 hexadecimal digits. A slow password hash would gain nothing, since a
 * key is 32 random bytes and cannot be guessed, and would cost every request its time.
 */
export function hashApiKey(key: string): string {
  return hash('sha256', key);
}

/** The keys as one version of the file has them, found by what callers present and by what records say. */
interface KeyIndex {
  /** The entry of a key that a caller presents; undefined: there is none, or no longer. */
  find(key: string): ApiKey | undefined;
  byId(id: string): ApiKey | undefined;
  /** In alphabetical order of their ids. */
  all(): readonly ApiKey[];
}

function createKeyIndex(keys: readonly ApiKey[]): KeyIndex {
  const sorted = keys.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const ids = new Map(keys.map((key) => [key.id, key]));
  const digests = new Map(keys.map((key) => [key.sha256, { key, digest: Buffer.from(key.sha256, 'hex') }]));
  return {
    find(presented) {
      // The lookup takes longer the more of a stored digest it matches, but that leaks nothing of a key: a caller does not
      // choose the digest, only what is hashed, so learning some of a digest's digits brings no key nearer to matching the
      // rest. What decides is compared in constant time all the same.
      const hex = hashApiKey(presented);
      const found = digests.get(hex);
      return found !== undefined && timingSafeEqual(found.digest, Buffer.from(hex, 'hex')) ? found.key : undefined;
    },
    byId: (id) => ids.get(id),
    all: () => sorted,
  };
}

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

/** The keys as the file has them now. */
export interface ApiKeys extends KeyIndex {
  /** Looks at the file no more; what was read last stays. */
  close(): void;
}

export interface ApiKeysOptions {
  /** Called with all keys when a new version of the file is in force. */
  readonly onChange?: (keys: readonly ApiKey[]) => void;
  /** Called once for each version that cannot be used. The keys stay as they were. */
  readonly onFault: (error: ConfigError) => void;
  /** How often the file is looked at. */
  readonly everyMs?: number;
}

/**
 * Opens the keys file and follows its changes, within a second or two. Rejects with a ConfigError that names every fault
 * when it cannot be used from the start.
 */
export async function openApiKeys(path: string, options: ApiKeysOptions): Promise<ApiKeys> {
  const { onChange, onFault, everyMs = 1_000 } = options;
  const read = changedText(path);
  /** Undefined: it could not be read. */
  let seen = await read().catch((error: unknown) => Promise.reject(unreadable(path, error)));
  let index = createKeyIndex(parseApiKeys(seen ?? '', path));
  const closed = new AbortController();

  const follow = (text: string) => {
    let keys: readonly ApiKey[];
    try {
      keys = parseApiKeys(text, path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      onFault(error);
      return;
    }
    index = createKeyIndex(keys);
    onChange?.(keys);
  };

  const look = async () => {
    const now = await read().catch((error: unknown) => unreadable(path, error));
    if (closed.signal.aborted || now === undefined || now === seen) return;
    const before = seen;
    seen = now instanceof ConfigError ? undefined : now;
    if (!(now instanceof ConfigError)) follow(now);
    else if (before !== undefined) onFault(now);
  };

  const watch = async () => {
    try {
      for await (const _ of setInterval(everyMs, undefined, { signal: closed.signal, ref: false })) await look();
    } catch (error) {
      if (!closed.signal.aborted) throw error;
    }
  };
  void watch();

  return {
    find: (key) => index.find(key),
    byId: (id) => index.byId(id),
    all: () => index.all(),
    close: () => closed.abort(),
  };
}

function unreadable(path: string, error: unknown): ConfigError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === 'ENOENT' ? 'there is no such file; npm run keys -- create <id> makes it' : message;
  return new ConfigError([`${path}: cannot be read (${reason})`]);
}
