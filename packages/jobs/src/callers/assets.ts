import { type AssetKind, FleetError, newId } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { fieldsOf } from '../record/record.js';

/** A file, described by its content. */
export interface AssetFile {
  /** BLAKE3 of its content, in hex. */
  readonly digest: string;
  /** Its name in the store of inputs: the digest and an extension. */
  readonly name: string;
  readonly kind: AssetKind;
  readonly contentType: string;
  readonly bytes: number;
  /** Pixels; only of pictures. */
  readonly width?: number;
  readonly height?: number;
}

/** A file that an API key sent. Times are ms since 1970, by Redis' clock. */
export interface Asset extends AssetFile {
  readonly id: string;
  /** Its original name; null if unknown. */
  readonly filename: string | null;
  readonly createdAt: number;
  /** When it was last sent, or last named by an order. */
  readonly usedAt: number;
  /** When it is deleted unless it is used before. */
  readonly expiresAt: number;
  /** The path that its sender gave it, or null. */
  readonly path: string | null;
}

/** What the sender of a file may specify. */
export interface AssetOptions {
  /**
   * The same content under another path is another asset. Without a path, any asset of the key with this content is
   * used.
   */
  readonly path?: string | undefined;
  /** If other content of the key has this path, it becomes `x (1).png` and so on, as in ComfyUI; else that loses the path. */
  readonly isNumbered?: boolean;
  /** How long the asset lives after its last use. */
  readonly lifeMs?: number | undefined;
}

export interface KeptAsset {
  readonly asset: Asset;
  readonly isNew: boolean;
  /** The key had no asset with this content before. */
  readonly isNewContent: boolean;
}

interface AssetBounds {
  readonly assetTtlSeconds: number;
  /** Maximum number of bytes of a key, which also bound its number of assets, see lua/assets.lua. */
  readonly keyJobBytes: number;
}

const TOO_MANY = {
  paths: 'This API key has this file under too many paths. Delete some of these assets.',
  assets: 'This API key has too many assets. Delete some, or wait until unused ones expire.',
};

const MOST_PATH_CHARS = 255;
/** A folder that ComfyUI's graphs do not name. */
const INPUT_FOLDER = /^input\//;

/** Maximum number of ids of expired assets that are read for one page. */
const MOST_SCANNED = 1000;

/**
 * The files that keys sent. A key sees only its own and learns nothing about those of others. Every method fails with
 * `queue_unavailable` while Redis is away.
 */
export function createAssets(redis: Redis, keys: Keys, { assetTtlSeconds, keyJobBytes }: AssetBounds) {
  const run = (verb: 'keep' | 'find' | 'names' | 'use' | 'delete', id: string, args: NamedArguments) =>
    runScript(redis, 'assets', keys.asset(id), keys.prefix, { id, life: assetTtlSeconds * 1000, verb, ...args });
  const read = async (key: string | undefined, id: string) => {
    const fields = await redis.hgetall(keys.asset(id));
    return fields.key !== undefined && fields.key === (key ?? fields.key) ? parseAsset(fields) : undefined;
  };
  const ask = async (verb: 'find' | 'use', id: string, args: NamedArguments) => {
    const flat = (await run(verb, id, args)) as string[];
    return flat.length === 0 ? undefined : parseAsset(fieldsOf(flat));
  };
  const list = async (
    key: string,
    { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
  ) => {
    let from = cursor === undefined ? '+' : `(${cursor}`;
    const assets: Asset[] = [];
    for (let scanned = 0; scanned < MOST_SCANNED; scanned += limit + 1) {
      const ids = await redis.zrevrangebylex(keys.assetsOf(key), from, '-', 'LIMIT', 0, limit + 1);
      const found = await Promise.all(ids.map((id) => read(key, id)));
      const gone = ids.filter((_, index) => found[index] === undefined);
      // Ids are never reused, so an id without an asset can be removed.
      if (gone.length > 0) await redis.zrem(keys.assetsOf(key), ...gone);
      for (const asset of found) {
        if (asset === undefined) continue;
        if (assets.length === limit) return { assets, next: assets.at(-1)?.id };
        assets.push(asset);
      }
      if (ids.length <= limit) return { assets, next: undefined };
      from = `(${ids.at(-1)}`;
    }
    return { assets, next: from.slice(1) };
  };
  return {
    /**
     * Records that the key has this stored file. If the key has it already, renews the lifetime of that asset. Throws
     * `validation_failed` for a path that is not plain, and `storage_share_exceeded` if the key has too many assets.
     */
    keep: (
      key: string,
      { digest, name, ...file }: AssetFile & Pick<Asset, 'filename'>,
      { path, isNumbered, lifeMs }: AssetOptions = {},
    ) =>
      orUnavailable(async (): Promise<KeptAsset> => {
        const parts = path === undefined ? undefined : partsOf(path);
        const reply = await run('keep', newId(), {
          key,
          digest,
          name,
          data: JSON.stringify(file),
          path: path ?? '',
          ...(isNumbered ? parts : {}),
          own_life: lifeMs,
          key_bytes: keyJobBytes,
        });
        if (typeof reply === 'string')
          throw new FleetError('storage_share_exceeded', TOO_MANY[reply as keyof typeof TOO_MANY]);
        const [isNew, isNewContent, fields] = reply as [number, number, string[]];
        return { asset: parseAsset(fieldsOf(fields)), isNew: isNew === 1, isNewContent: isNewContent === 1 };
      }),
    /** Without `key`, finds assets of all keys. */
    get: (key: string | undefined, id: string) => orUnavailable(() => read(key, id)),
    /** The key's asset that was last sent under this path, with or without the folder `input`. */
    named: (key: string, path: string) =>
      orUnavailable(async () => {
        const ids = await redis.mget(keys.assetPath(key, path), keys.assetPath(key, `input/${path}`));
        const id = ids.find((one) => one !== null);
        return id ? read(key, id) : undefined;
      }),
    /** The paths of the key's newest assets, without the folder `input`. */
    names: (key: string, limit: number) =>
      orUnavailable(async () => {
        const paths = (await run('names', '', { key, most: limit })) as string[];
        return [...new Set(paths.filter((path) => path !== '').map((path) => path.replace(INPUT_FOLDER, '')))];
      }),
    /** The key's asset with this content, the longest-lived if there are several. */
    find: (key: string, digest: string) => orUnavailable(() => ask('find', '', { key, digest })),
    /**
     * Gets an asset and renews its lifetime, so that the housekeeping leaves it alone. Call this before touching its
     * file.
     */
    use: (key: string, id: string) => orUnavailable(() => ask('use', id, { key })),
    /** Lists assets, newest first, beginning after the id `cursor`; `next`: where the next page begins, if there is one. */
    list: (...page: Parameters<typeof list>) => orUnavailable(() => list(...page)),
    /**
     * Deletes an asset. The housekeeping deletes the file if no key has it any more. `used`: an open job of the key
     * starts from the file, so nothing changed.
     */
    delete: (key: string, id: string) =>
      orUnavailable(async () => (await run('delete', id, { key })) as 'deleted' | 'used' | 'absent'),
  };
}

/** Whether a path is plain, such as `sub/x.png`. */
export function isPlainPath(path: string): boolean {
  return (
    path.length <= MOST_PATH_CHARS &&
    path.isWellFormed() &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: paths must not have any
    !/[\\\u0000-\u001f\u007f]/.test(path) &&
    path.split('/').every((part) => !['', '.', '..'].includes(part))
  );
}

/** Splits a path into the part before the extension, and the extension with its dot. */
function partsOf(path: string): { readonly stem: string; readonly extension: string } {
  if (!isPlainPath(path)) {
    const detail = `A file's name must be a path such as sub/x.png, of at most ${MOST_PATH_CHARS} characters, without "..", "\\" or empty parts.`;
    throw new FleetError('validation_failed', detail);
  }
  const dot = path.lastIndexOf('.');
  const end = dot > path.lastIndexOf('/') + 1 ? dot : path.length;
  return { stem: path.slice(0, end), extension: path.slice(end) };
}

function parseAsset(fields: Record<string, string>): Asset {
  const { id = '', digest = '', name = '', data = '{}', path = '' } = fields;
  const { filename, ...file } = JSON.parse(data) as Omit<AssetFile, 'digest' | 'name'> & Pick<Asset, 'filename'>;
  return {
    id,
    digest,
    name,
    ...file,
    filename,
    createdAt: Number(fields.created_at),
    usedAt: Number(fields.used_at),
    expiresAt: Number(fields.expires_at),
    path: path === '' ? null : path,
  };
}
