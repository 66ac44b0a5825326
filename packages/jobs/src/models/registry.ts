import { fresh, type ModelKind, type ModelRecord, modelId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';

/** Registered models by `<kind>/<name>`. */
export type ModelRecords = ReadonlyMap<string, ModelRecord>;

/** What names a model. */
export type ModelName = Pick<ModelRecord, 'kind' | 'name'>;

/** The registered models. Every method fails with `queue_unavailable` while Redis is away. */
export interface ModelRegistry {
  /** All of them, up to two seconds old: the same object as long as nothing changes. */
  list(): Promise<ModelRecords>;
  /** The same with deleted models that only some keys might use, for a week. */
  listWithDeleted(): Promise<ModelRecords>;
  get(model: ModelName): Promise<ModelRecord | undefined>;
  /**
   * Replaces the record by what `update` makes of it, or deletes it if that is undefined; calls it again if somebody
   * else changed the record meanwhile. Returns the new record. A deleted model counts as not registered.
   */
  change<T extends ModelRecord | undefined>(
    model: ModelName,
    update: (before: ModelRecord | undefined) => T,
  ): Promise<T>;
  /**
   * Keeps this hash and size if none are kept yet. Returns those that are kept, which the file must have; undefined if
   * the model is not registered any more.
   */
  pin(
    model: ModelName,
    found: { readonly sha256: string | null; readonly bytes: number | null },
  ): Promise<Pick<ModelRecord, 'sha256' | 'bytes'> | undefined>;
}

/** How old a list may be. */
const FRESH_MS = 2000;

export function createModelRegistry(redis: Redis, keys: Keys): ModelRegistry {
  let last: { readonly version: string | null; readonly all: ModelRecords; readonly live: ModelRecords } | undefined;
  const read = fresh(FRESH_MS, async () => {
    // Read first, so that a change between the two reads is read again next time.
    const version = await redis.get(keys.modelsVersion);
    if (last?.version === version) return last;
    const all = await readRecords(redis, keys);
    const live = new Map([...all].filter(([, { deleted_at }]) => deleted_at === undefined));
    last = { version, all, live };
    return last;
  });
  const change: ModelRegistry['change'] = (model, update) =>
    orUnavailable(async () => {
      const id = modelId(model);
      for (;;) {
        const before = (await redis.hget(keys.models, id)) ?? undefined;
        const stored = before === undefined ? undefined : parseRecord(before);
        const after = update(liveOne(stored));
        const kept = after ?? (stored && withdrawn(stored));
        const text = kept && JSON.stringify(kept);
        if (text === before) return after;
        const isDone = await runScript(redis, 'changeModel', keys.models, keys.prefix, { id, before, after: text });
        if (isDone === 1) {
          await read.again();
          return after;
        }
      }
    });

  return {
    list: () => orUnavailable(async () => (await read.now()).live),
    listWithDeleted: () => orUnavailable(async () => (await read.now()).all),
    get: (model) =>
      orUnavailable(async () => {
        const text = await redis.hget(keys.models, modelId(model));
        return text === null ? undefined : liveOne(parseRecord(text));
      }),
    change,
    pin: async (model, { sha256, bytes }) =>
      change(model, (before) => before && { ...before, sha256: before.sha256 ?? sha256, bytes: before.bytes ?? bytes }),
  };
}

function liveOne(record: ModelRecord | undefined): ModelRecord | undefined {
  return record?.deleted_at === undefined ? record : undefined;
}

/** What stays of a deleted model: without it, any key could use the file until hosts have deleted it. */
function withdrawn(record: ModelRecord): ModelRecord | undefined {
  if (record.keys === null || record.by_url) return undefined;
  return { deleted_at: Date.now(), ...record, sources: [], keys: [], pinned_in: [] };
}

/** How long a deleted model stays hidden. */
const DELETED_LIFE_MS = 7 * 86_400_000;

/** Removes what stays of models that were deleted long ago. */
export async function pruneDeleted(redis: Redis, keys: Keys): Promise<void> {
  for (const [id, before] of Object.entries(await redis.hgetall(keys.models))) {
    const { deleted_at: at } = parseRecord(before);
    if (at === undefined || at > Date.now() - DELETED_LIFE_MS) continue;
    await runScript(redis, 'changeModel', keys.models, keys.prefix, { id, before });
  }
}

async function readRecords(redis: Redis, keys: Keys): Promise<ModelRecords> {
  const entries = Object.entries(await redis.hgetall(keys.models));
  return new Map(entries.map(([id, text]) => [id, parseRecord(text)]));
}

function parseRecord(text: string): ModelRecord {
  return JSON.parse(text) as ModelRecord;
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
