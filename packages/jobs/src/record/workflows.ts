import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { GRAPH } from '@comfy-fleet/workflows';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
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

/** The workflows that operators have published. Every method fails with `queue_unavailable` while Redis is away. */
export type WorkflowRegistry = ReturnType<typeof createWorkflowRegistry>;

export function createWorkflowRegistry(
  redis: Redis,
  keys: Keys,
  { jobTtlSeconds, maxWorkflowVersions }: { readonly jobTtlSeconds: number; readonly maxWorkflowVersions: number },
) {
  const run = (verb: 'publish' | 'withdraw', name: string, more: NamedArguments = {}) =>
    runScript(redis, 'workflows', keys.workflows, keys.prefix, {
      verb,
      name,
      ended_life: jobTtlSeconds * 1000,
      ...more,
    });
  return {
    /** Name → its versions, the newest first. */
    list: () =>
      orUnavailable(async (): Promise<ReadonlyMap<string, readonly PublishedVersion[]>> => {
        const entries = Object.entries(await redis.hgetall(keys.workflows));
        return new Map(entries.map(([name, text]) => [name, parseEntry(text)]));
      }),
    /** Makes this source the newest version of the workflow; `same` if it is already. */
    put: (name: string, { version, text }: StoredSource, by: string) =>
      orUnavailable(async () => {
        const verdict = await run('publish', name, { version, source: text, by, most: maxWorkflowVersions });
        return verdict as 'new' | 'changed' | 'same';
      }),
    /** Stores a source for an hour, or for as long as orders name it. */
    keep: (source: StoredSource) => orUnavailable(() => storeSource(redis, keys, source)),
    /** Returns whether there was a workflow with this name. */
    delete: (name: string) => orUnavailable(async () => (await run('withdraw', name)) === 1),
    /** The source of a stored version, which is not a caller's own graph; undefined if there is none. */
    source: (version: string) => orUnavailable(async () => (await redis.get(keys.version(version))) ?? undefined),
  };
}

function parseEntry(text: string): PublishedVersion[] {
  const { versions } = JSON.parse(text) as { versions: { version: string; at: string; by: string }[] };
  return versions.map(({ version, at, by }) => ({ version, at: Number(at), by }));
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
