import { hash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setInterval } from 'node:timers/promises';
import type { ApiKey } from '@comfy-fleet/contracts';
import { ConfigError, type Environment } from '../environment.js';
import { apiSchema } from '../schema/api-schema.js';
import { readConfig } from '../setting.js';
import { type ApiKeyFault, checkApiKeys } from './check-api-keys.js';

/**
 * The SHA-256 of a key as in the keys file: 64 hexadecimal digits. A slow password hash would not help, because a key
 * is 32 random bytes, and would slow down every request.
 */
export function hashApiKey(key: string): string {
  return hash('sha256', key);
}

/** The keys of one version of the file, indexed by digest and id. */
interface KeyIndex {
  /** The entry of the key that a caller sent; undefined if there is none, or no longer. */
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
      // The time of the lookup depends on how much of a stored digest matches. That reveals nothing about keys: callers
      // cannot choose digests, so knowing some digits of one does not help to find its key. The final comparison takes
      // constant time all the same.
      const hex = hashApiKey(presented);
      const found = digests.get(hex);
      return found !== undefined && timingSafeEqual(found.digest, Buffer.from(hex, 'hex')) ? found.key : undefined;
    },
    byId: (id) => ids.get(id),
    all: () => sorted,
  };
}

/** Parses the text of a keys file. Throws a ConfigError with every error, whose text names `path`. */
export function parseApiKeys(text: string, path: string): readonly ApiKey[] {
  const { keys, faults } = checkApiKeys(parseJson(text, path));
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `${path}: ${sentence(fault)}`));
  return keys;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')); // some editors write a byte order mark
  } catch (error) {
    // The parser's message may quote a part of the file, which may be a secret.
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
  /** Undefined if the file could not be read. */
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

/**
 * A file that was written twice within one tick of its disk's clock has the same time; the slowest clocks tick every
 * second.
 */
const SETTLED_MS = 2_000;

/**
 * Reads the file if it may have changed since the last call: resolves to its text, or to undefined if it has certainly
 * not changed. Follows symlinks, so it notices changed links and files replaced by a rename. Rejects like node:fs, and
 * reads the file again after that.
 */
export function changedText(path: string): () => Promise<string | undefined> {
  let known: string | undefined;
  return async () => {
    const before = known;
    known = undefined;
    // Taken before reading: if the file changes meanwhile, the next stat differs.
    const { dev, ino, size, mtimeMs } = await stat(path);
    const stamp = `${dev} ${ino} ${size} ${mtimeMs}`;
    const text = stamp === before ? undefined : await readFile(path, 'utf8');
    if (text === undefined || Date.now() - mtimeMs > SETTLED_MS) known = stamp;
    return text;
  };
}

interface Place {
  readonly host: string;
  readonly keysFile: string | undefined;
  readonly allowAnonymous: boolean;
}

/** Throws a ConfigError when an API without keys could be reached from other machines. */
export function requireKeys({ host, keysFile, allowAnonymous }: Place): void {
  if (keysFile !== undefined || allowAnonymous || isLoopback(host)) return;
  throw new ConfigError([
    `HOST=${host}: anybody who reaches this address could use the API, because there are no API keys. Create some with ` +
      '`npm run keys -- create <id> --file keys.json` and set API_KEYS_FILE=keys.json; or set ALLOW_ANONYMOUS=1 if ' +
      'something else protects the API',
  ]);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** The absolute path of the keys file, for commands that need no other setting and ignore wrong ones. */
export function readKeysFileSetting(env: Environment = process.env): string | undefined {
  return readConfig({ path: apiSchema.access.keysFile }, env).path;
}
