import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import { GRAPH } from '@comfy-fleet/workflows';
import type { Redis } from 'ioredis';
import { commit, orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import type { Payloads } from './payloads.js';

export interface PublishedVersion {
  readonly version: string;
  /** ms since 1970, by Redis' clock. */
  readonly at: number;
  /** Id of the API key that published it. */
  readonly by: string;
}

/** The field that counts the changes. */
const REVISION = ':version';

/** The workflows that operators have published. Every method fails with `queue_unavailable` while Redis is away. */
export type WorkflowRegistry = ReturnType<typeof createWorkflowRegistry>;

export function createWorkflowRegistry(
  redis: Redis,
  keys: Keys,
  { jobTtlSeconds, maxWorkflowVersions }: { readonly jobTtlSeconds: number; readonly maxWorkflowVersions: number },
) {
  const unnamedLifeMs = jobTtlSeconds * 1000 + LUA_CONSTANTS.UNDELIVERED_EXTRA_MS + LUA_CONSTANTS.INDEX_EXTRA_MS;
  /** Replaces the versions of a workflow; without any, it is not published any more. Returns those before. */
  const change = async (
    name: string,
    update: (before: readonly PublishedVersion[]) => readonly PublishedVersion[],
    source?: StoredSource,
  ) => {
    for (;;) {
      const revision = await redis.hget(keys.workflows, REVISION);
      const published = await readPublished(redis, keys);
      const before = published.get(name) ?? [];
      const after = update(before);
      if (after === before) return before;
      const named = new Set([...published.set(name, after).values()].flat().map(({ version }) => version));
      const isChanged = await commit(
        redis,
        keys,
        [[['HGET', keys.workflows, REVISION], revision]],
        [
          ...(source === undefined ? [] : [['SET', keys.version(source.version), source.text]]),
          after.length === 0 ? ['HDEL', keys.workflows, name] : ['HSET', keys.workflows, name, JSON.stringify(after)],
          ['HINCRBY', keys.workflows, REVISION, 1],
          // A source that no name has any more outlives every record that may name it.
          ...before
            .filter(({ version }) => !named.has(version))
            .map(({ version }) => ['PEXPIRE', keys.version(version), unnamedLifeMs]),
        ],
      );
      if (isChanged) return before;
    }
  };
  return {
    /** Name → its versions, the newest first. */
    list: () =>
      orUnavailable((): Promise<ReadonlyMap<string, readonly PublishedVersion[]>> => readPublished(redis, keys)),
    /** Makes this source the newest version of the workflow; `same` if it is already. */
    put: (name: string, source: StoredSource, by: string) =>
      orUnavailable(async () => {
        const newest = { version: source.version, at: await redisTime(redis), by };
        const isNewest = ([first]: readonly PublishedVersion[]) => first?.version === source.version;
        const others = (before: readonly PublishedVersion[]) => before.filter((one) => one.version !== source.version);
        const before = await change(
          name,
          (known) => (isNewest(known) ? known : [newest, ...others(known)].slice(0, maxWorkflowVersions)),
          source,
        );
        if (isNewest(before)) return 'same';
        return before.length === 0 ? 'new' : 'changed';
      }),
    /** Stores a source for an hour, or for as long as orders name it. */
    keep: (source: StoredSource) => orUnavailable(() => storeSource(redis, keys, source)),
    /** Returns whether there was a workflow with this name. */
    delete: (name: string) =>
      orUnavailable(async () => (await change(name, (before) => (before.length === 0 ? before : []))).length > 0),
    /** The source of a stored version, which is not a caller's own graph; undefined if there is none. */
    source: (version: string) => orUnavailable(async () => (await redis.get(keys.version(version))) ?? undefined),
  };
}

async function readPublished(redis: Redis, keys: Keys) {
  const { [REVISION]: _, ...texts } = await redis.hgetall(keys.workflows);
  const entries = Object.entries(texts).map(([name, text]) => [name, JSON.parse(text) as PublishedVersion[]] as const);
  return new Map<string, readonly PublishedVersion[]>(entries);
}

/** The source of a workflow. Its version is the SHA-256 of the text, in hex. */
export interface StoredSource {
  readonly version: string;
  readonly text: string;
}

/** Stores a source for an hour from now, if it is not stored for longer. An order that names it extends this. */
async function storeSource(redis: Redis, keys: Keys, { version, text }: StoredSource): Promise<void> {
  const life = LUA_CONSTANTS.UNUSED_SOURCE_LIFE_MS;
  await redis.set(keys.version(version), text, 'PX', life, 'NX');
  await redis.pexpire(keys.version(version), life, 'GT'); // GT never shortens, and never adds an expiry
}

/** What says where the source of a job's workflow is. */
export interface SourceOwner {
  readonly id: string;
  readonly request: Pick<ResolvedRequest, 'workflow' | 'version'>;
}

/** The source of what a job runs; undefined if it is gone. */
export async function readSource(
  redis: Redis,
  keys: Keys,
  payloads: Pick<Payloads, 'read'>,
  { id, request: { workflow, version } }: SourceOwner,
): Promise<string | undefined> {
  if (workflow === GRAPH) return payloads.read(await redis.hget(keys.texts(id), 'graph'));
  return (await redis.get(keys.version(version))) ?? undefined;
}
