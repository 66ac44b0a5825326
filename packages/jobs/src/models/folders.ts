import type { ModelCopy, ModelFolder, ModelFolderUser } from '@comfy-fleet/contracts';
import { redisTime, takeLease } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/** A folder with what it has, by `<kind>/<name>`. */
export interface FolderCopies {
  readonly folder: ModelFolder;
  readonly copies: ReadonlyMap<string, ModelCopy>;
}

/** How long an announcement counts. */
export const FOLDER_LIFE_MS = 60_000;

/** What the model folders of all hosts have. Every method fails with `queue_unavailable` while Redis is away. */
export function createModelFolders(redis: Redis, keys: Keys) {
  const dated = async (value: object) => JSON.stringify({ ...value, seen_at: await redisTime(redis) });
  return {
    /** The folders that were announced within the last minute, by id. */
    folders: () => orUnavailable(() => readFolders(redis, keys)),
    /** What a folder has, as it was announced last. */
    copiesOf: (folder: string) => orUnavailable(() => readCopies(redis, keys, folder)),
    /** Announces that instances of a worker use the folder. Must be repeated within a minute. */
    join: (folder: string, user: ModelFolderUser) =>
      orUnavailable(async () => {
        await redis.hset(keys.modelFolders, `${folder} ${user.worker}`, await dated({ folder, ...user }));
      }),
    /** The workers whose instances use the folder. */
    users: (folder: string) =>
      orUnavailable(async () => {
        const { users } = await readLive(redis, keys);
        return users.filter((user) => user.folder === folder);
      }),
    /** Makes the worker the one that manages the folder, or renews that. Returns whether it is. */
    keep: (folder: string, worker: string, leaseMs: number) =>
      orUnavailable(() => takeLease(redis, keys.lease('folder', folder), worker, leaseMs)),
    /** Announces a folder with all of its copies. Must be repeated within a minute. */
    announce: (folder: Omit<ModelFolder, 'seen_at' | 'instances' | 'pools'>, copies: FolderCopies['copies']) =>
      orUnavailable(async () => {
        const key = keys.modelCopies(folder.id);
        const transaction = redis
          .multi()
          .hset(keys.modelFolders, folder.id, await dated(folder))
          .del(key);
        for (const [id, copy] of copies) transaction.hset(key, id, JSON.stringify(copy));
        await transaction.pexpire(key, FOLDER_LIFE_MS).exec();
      }),
    /** Announces changes between two announcements; null: the copy is gone. */
    announceChanges: (folder: string, changes: ReadonlyMap<string, ModelCopy | null>) =>
      orUnavailable(async () => {
        const key = keys.modelCopies(folder);
        const transaction = redis.multi();
        for (const [id, copy] of changes) {
          if (copy === null) transaction.hdel(key, id);
          else transaction.hset(key, id, JSON.stringify(copy));
        }
        // An empty hash does not exist, so its first entry has to get the lifetime.
        await transaction.pexpire(key, FOLDER_LIFE_MS).exec();
      }),
    /** Removes a folder that no worker manages any more. */
    withdraw: (folder: string) =>
      orUnavailable(async () => {
        await redis.multi().hdel(keys.modelFolders, folder).del(keys.modelCopies(folder)).exec();
      }),
  };
}

type Folder = Omit<ModelFolder, 'instances' | 'pools'>;
type FolderUse = ModelFolderUser & { readonly folder: string; readonly seen_at: number };

async function readFolders(redis: Redis, keys: Keys): Promise<FolderCopies[]> {
  const { folders, users } = await readLive(redis, keys);
  return Promise.all(
    folders.map(async (folder) => {
      const own = users.filter((user) => user.folder === folder.id);
      const instances = own.flatMap((user) => user.instances);
      const pools = [...new Set(own.flatMap((user) => user.pools))].sort();
      return { folder: { ...folder, instances, pools }, copies: await readCopies(redis, keys, folder.id) };
    }),
  );
}

async function readCopies(redis: Redis, keys: Keys, folder: string): Promise<FolderCopies['copies']> {
  const entries = Object.entries(await redis.hgetall(keys.modelCopies(folder)));
  return new Map(entries.map(([id, text]) => [id, JSON.parse(text) as ModelCopy]));
}

/** The folders and uses that were announced within the last minute, by name. Removes the others. */
async function readLive(redis: Redis, keys: Keys) {
  const [now, texts] = await Promise.all([redisTime(redis), redis.hgetall(keys.modelFolders)]);
  const all = Object.entries(texts).map(([field, text]) => ({ field, value: JSON.parse(text) as Folder | FolderUse }));
  const isLive = ({ value }: (typeof all)[number]) => value.seen_at > now - FOLDER_LIFE_MS;
  const gone = all.filter((one) => !isLive(one)).map(({ field }) => field);
  if (gone.length > 0) await redis.hdel(keys.modelFolders, ...gone);
  const live = all.filter(isLive).sort((one, other) => (one.field < other.field ? -1 : 1));
  return {
    folders: live.flatMap(({ value }) => ('folder' in value ? [] : [value])),
    users: live.flatMap(({ value }) => ('folder' in value ? [value] : [])),
  };
}
