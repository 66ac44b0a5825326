import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { inPages } from '../record/indexes.js';

const DAY_MS = 86_400_000;
/** The least that a stored file counts for, in bytes. */
export const { LEAST_FILE_BYTES } = LUA_CONSTANTS;

/** A key may have sent one file for each 2,000 bytes that its jobs may hold, since each file has an entry in Redis. */
export const BYTES_PER_FILE = 2000;

/** What a key has stored. */
export interface StorageUse {
  readonly bytes: number;
  /** Its share; null until the housekeeping has measured the store. */
  readonly shareBytes: number | null;
  /** The store is nearly full, and the key's files that cannot be deleted fill its share: it may store no more now. */
  readonly isOver: boolean;
  /** It has sent as many files as a key may have. */
  readonly hasTooManyFiles: boolean;
}

/** What keys have stored. Every method fails with `queue_unavailable` while Redis is away. */
export function createStorage(
  redis: Redis,
  keys: Keys,
  { assetTtlSeconds, keyJobBytes }: { readonly assetTtlSeconds: number; readonly keyJobBytes: number },
) {
  const run = (args: NamedArguments) =>
    orUnavailable(() => runScript(redis, 'storage', keys.storage, keys.prefix, args));
  const use = async (args: NamedArguments): Promise<StorageUse> => {
    const [bytes, share, isOver, files] = (await run(args)) as [number, number, number, number];
    const hasTooManyFiles = files >= keyJobBytes / BYTES_PER_FILE;
    return { bytes, shareBytes: share < 0 ? null : share, isOver: isOver === 1, hasTooManyFiles };
  };
  return {
    use: (key: string) => use({ key, verb: 'use' }),
    /** Counts a picture that is made of an output of the job until the job is deleted, unless its key is over its share. */
    derive: (id: string, bytes: number) => use({ id, verb: 'derive', bytes }),
    /**
     * Counts a stored file for the key that sent it, in addition to other keys that have it, until the file is deleted.
     */
    add: async (key: string, file: { readonly digest: string; readonly bytes: number }): Promise<void> => {
      await run({ key, verb: 'add', ...file, life: assetTtlSeconds * 1000 + DAY_MS });
    },
  };
}

/** Files and bytes of each kind of file. */
type FileKinds = Readonly<Record<string, { readonly files: number; readonly bytes: number }>>;

/** What all keys have stored, as the housekeeping measured it. */
export interface StorageInventory {
  readonly kinds: FileKinds;
  /** Bytes of all files; a file that several keys have counts once. */
  readonly bytes: number;
  /** Maximum number of bytes allowed. */
  readonly most: number;
  readonly keys: ReadonlyMap<string, KeyInventory>;
}

interface KeyInventory {
  /** A file that several keys have counts for each of them. */
  readonly bytes: number;
  /** How many of these bytes may be deleted to make space for others. */
  readonly evictable: number;
  /** How many files it has sent. */
  readonly files: number;
}

/** Jobs read in one round trip. */
const PAGE = 500;
const STORED = 'stored ';
const EVICTABLE = 'evictable ';
const FILES = 'files ';

/** Replaces what the scripts have counted since the last time. */
export async function recordStorage(redis: Redis, keys: Keys, inventory: StorageInventory): Promise<void> {
  const { bytes, most, kinds } = inventory;
  const fields: Record<string, number | string> = {
    bytes,
    most,
    kinds: JSON.stringify(kinds),
    keys: inventory.keys.size,
  };
  for (const [key, { bytes: stored, evictable, files }] of inventory.keys) {
    fields[`${STORED}${key}`] = stored;
    fields[`${EVICTABLE}${key}`] = evictable;
    fields[`${FILES}${key}`] = files;
  }
  await redis.multi().del(keys.storage).hset(keys.storage, fields).exec();
}

/**
 * What keys have stored now; the share of each, undefined until the housekeeping has measured the store; and what it
 * last found there.
 */
export async function readStorage(redis: Redis, keys: Keys) {
  const { most, keys: count, kinds = '{}', ...fields } = await redis.hgetall(keys.storage);
  const stored = Object.entries(fields).flatMap(([field, bytes]) =>
    field.startsWith(STORED) ? [{ key: field.slice(STORED.length), bytes: Number(bytes) }] : [],
  );
  const shareBytes = most === undefined ? undefined : Number(most) / Math.max(1, Number(count));
  return { stored, shareBytes, kinds: JSON.parse(kinds) as FileKinds };
}

/** The API key of each of these jobs; undefined if its record is gone. */
export async function keysOfJobs(redis: Redis, keys: Keys, ids: readonly string[]): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = [];
  for (const page of inPages(ids, PAGE)) {
    const owners = await Promise.all(page.map((id) => redis.hget(keys.job(id), 'key')));
    for (const key of owners) found.push(key ?? undefined);
  }
  return found;
}

/** An API key that sent an input file. */
interface Sender {
  readonly key: string;
  /** When it first sent the file, in ms since 1970. */
  readonly since: number;
}

const UNOWNED = ':unowned';

/**
 * The API keys that sent each of the input files with these digests, read in one round trip; undefined if the last one has
 * deleted it. Files that were not used for long have none.
 */
export async function sendersOf(redis: Redis, keys: Keys, digests: readonly string[]) {
  const found = await Promise.all(digests.map((digest) => redis.hgetall(keys.senders(digest))));
  return found.map((entries): Sender[] | undefined =>
    entries[UNOWNED] === undefined
      ? Object.entries(entries).map(([key, entry]) => ({ key, since: Number.parseInt(entry, 10) }))
      : undefined,
  );
}
