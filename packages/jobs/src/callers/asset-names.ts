import { FleetError } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { Assets } from './assets.js';

const MOST_CHARS = 255;

/**
 * Names that keys gave to their assets, as ComfyUI names uploaded files: plain paths such as `sub/x.png`. A name is
 * deleted with its asset. A key has at most 10,000 names; beyond that, the oldest is forgotten. Every method fails with
 * `queue_unavailable` while Redis is away.
 */
export function createAssetNames(
  redis: Redis,
  keys: Keys,
  { assetTtlSeconds, get }: { readonly assetTtlSeconds: number; readonly get: Assets['get'] },
) {
  const run = (key: string, verb: 'give' | 'list', args: NamedArguments) =>
    orUnavailable(() =>
      runScript(redis, 'assetNames', keys.assetNames(key), keys.prefix, {
        key,
        life: assetTtlSeconds * 1000,
        verb,
        ...args,
      }),
    );
  return {
    /**
     * Gives the key's asset the name `wanted`. If another asset has that name, the name becomes `x (1).png` and so on
     * or, with `overwrite`, the other asset loses it. Returns the name. Throws validation_failed if `wanted` is not a
     * plain path, and asset_not_found.
     */
    name: async (key: string, wanted: string, id: string, { overwrite }: { readonly overwrite: boolean }) => {
      const [stem, extension] = partsOf(wanted);
      const given = (await run(key, 'give', { asset: id, stem, extension, overwrite })) as string;
      if (given === '') throw new FleetError('asset_not_found', 'There is no such asset to name.');
      return given;
    },
    /** The key's asset with this name. */
    named: async (key: string, name: string) => {
      const id = await orUnavailable(() => redis.hget(keys.assetNames(key), name));
      return id === null ? undefined : get(key, id);
    },
    /** The names that the key gave last, newest first. */
    names: async (key: string, limit: number) => (await run(key, 'list', { limit })) as string[],
  };
}

/** Whether a name is a plain path such as `sub/x.png`. */
export function isPlainPath(path: string): boolean {
  return (
    path.length <= MOST_CHARS &&
    path.isWellFormed() &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: names must not have any
    !/[\\\u0000-\u001f\u007f]/.test(path) &&
    path.split('/').every((part) => !['', '.', '..'].includes(part))
  );
}

/** Splits a path into the part before the extension, and the extension with its dot. */
function partsOf(path: string): readonly [stem: string, extension: string] {
  if (!isPlainPath(path)) {
    const detail = `A file's name must be a path such as sub/x.png, of at most ${MOST_CHARS} characters, without "..", "\\" or empty parts.`;
    throw new FleetError('validation_failed', detail);
  }
  const dot = path.lastIndexOf('.');
  return dot > path.lastIndexOf('/') + 1 ? [path.slice(0, dot), path.slice(dot)] : [path, ''];
}
