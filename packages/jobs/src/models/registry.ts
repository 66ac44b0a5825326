import { fresh, type ModelKind, type ModelRecord, modelId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { commit, orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/** Registered models by `<kind>/<name>`. */
export type ModelRecords = ReadonlyMap<string, ModelRecord>;

/** What names a model. */
export type ModelName = Pick<ModelRecord, 'kind' | 'name'>;

/** How old a list may be. */
const FRESH_MS = 2000;
/** The field that counts the changes. */
const VERSION = ':version';

export type ModelRegistry = ReturnType<typeof createModelRegistry>;

/** The registered models. Every method fails with `queue_unavailable` while Redis is away. */
export function createModelRegistry(redis: Redis, keys: Keys) {
  let last: { readonly version: string | null; readonly records: ReturnType<typeof readRecords> } | undefined;
  const readNow = async () => {
    // Read first, so that a change between the two reads is read again next time.
    const version = await redis.hget(keys.models, VERSION);
    if (last?.version !== version) {
      last = { version, records: readRecords(redis, keys) };
      last.records.catch(() => {
        last = undefined;
      });
    }
    return { version, ...(await last.records) };
  };
  const read = fresh(FRESH_MS, readNow);
  /**
   * Replaces the record by what `update` makes of it and all others, or deletes it if that is undefined; calls it again
   * if somebody else changed any of them meanwhile. Returns the new record. A deleted model counts as not registered.
   */
  const change = <T extends ModelRecord | undefined>(
    model: ModelName,
    update: (before: ModelRecord | undefined, all: ModelRecords) => T,
  ): Promise<T> =>
    orUnavailable(async () => {
      const id = modelId(model);
      for (;;) {
        const { version, all, live } = await readNow();
        const stored = all.get(id);
        const after = update(live.get(id), live);
        const kept = after ?? (stored && withdrawn(stored));
        const text = kept && JSON.stringify(kept);
        if (text === (stored && JSON.stringify(stored))) return after;
        const written = text === undefined ? ['HDEL', keys.models, id] : ['HSET', keys.models, id, text];
        const changes = [written, ['HINCRBY', keys.models, VERSION, 1]];
        if (await commit(redis, keys, [[['HGET', keys.models, VERSION], version]], changes)) {
          await read.again();
          return after;
        }
      }
    });

  return {
    /** All of them, up to two seconds old: the same object as long as nothing changes. */
    list: () => orUnavailable(async () => (await read.now()).live),
    /** The same with deleted models, for a week. */
    listWithDeleted: () => orUnavailable(async () => (await read.now()).all),
    change,
    /**
     * Keeps this hash and size if none are kept yet. Returns the record with those that are kept, which the file must
     * have; undefined if the model is not registered any more.
     */
    pin: (model: ModelName, { sha256, bytes }: Pick<ModelRecord, 'sha256' | 'bytes'>) =>
      change(model, (before) => before && { ...before, sha256: before.sha256 ?? sha256, bytes: before.bytes ?? bytes }),
  };
}

/** How long a deleted model stays known. */
const DELETED_LIFE_MS = 7 * 86_400_000;

/**
 * What stays of a deleted model: hosts delete their files of it, but keep those of models that Redis has lost. If only
 * some keys might use it, no key may use the files that are left.
 */
function withdrawn(record: ModelRecord): ModelRecord | undefined {
  const { deleted_at = Date.now(), keys } = record;
  if (deleted_at <= Date.now() - DELETED_LIFE_MS) return undefined;
  return { ...record, deleted_at, sources: [], keys: keys && [], pinned_in: [] };
}

async function readRecords(redis: Redis, keys: Keys) {
  const { [VERSION]: _, ...texts } = await redis.hgetall(keys.models);
  const entries = Object.entries(texts);
  const all: ModelRecords = new Map(entries.map(([id, text]) => [id, JSON.parse(text) as ModelRecord]));
  const live: ModelRecords = new Map([...all].filter(([, { deleted_at }]) => deleted_at === undefined));
  return { all, live };
}

/** A new record with these fields. */
export function newModel(
  kind: ModelKind,
  name: string,
  fields: Pick<ModelRecord, 'sources'> & Partial<ModelRecord>,
): ModelRecord {
  return {
    kind,
    name,
    sha256: null,
    bytes: null,
    keys: null,
    pinned_in: [],
    by_url: false,
    created_at: Date.now(),
    fetch_asked_at: null,
    fetch_pools: null,
    verify_asked_at: null,
    named_at: null,
    ...fields,
  };
}
