import { setInterval } from 'node:timers/promises';
import type { ApiKey } from '@comfy-fleet/contracts';
import { ConfigError } from '../config-error.js';
import { changedText } from './changed-text.js';
import { createKeyIndex, type KeyIndex } from './key-index.js';
import { parseApiKeys } from './parse-api-keys.js';

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
