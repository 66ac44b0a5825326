import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { fresh } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';

/**
 * Signs paths for a key. Anybody with the signed URL may open it until it expires or the key is revoked. Each day (UTC)
 * has its own secret: the first process that needs it creates it and shares it through Redis. A secret is deleted when
 * all URLs signed with it have expired.
 */
export type UrlSigner = ReturnType<typeof createUrlSigner>;

const DAY_SECONDS = 86_400;
/** Expiry times are rounded up to this, so that a picture keeps its URL for a while and caches can work. */
const ROUND_SECONDS = 300;
const SECRET_BYTES = 32;
/** Least time between two reads of the secrets. */
const REREAD_MS = 1000;
/** How many tags of keys are cached. */
const TAGS_KEPT = 10_000;
/** 66 bits: two keys do not share a tag by chance. */
const TAG_CHARS = 11;
/** After this many days, all URLs signed with a secret have expired: a signed URL lives for at most a week. */
const SECRET_DAYS = 8;

export function createUrlSigner(redis: Redis, keys: Keys, { ttlSeconds }: { readonly ttlSeconds: number }) {
  let known: ReadonlyMap<number, string> = new Map();
  const tags = new LRUCache<string, string>({ max: TAGS_KEPT });

  const reread = async (): Promise<void> => {
    const all = Object.entries(await redis.hgetall(keys.secrets));
    known = new Map(all.map(([day, secret]) => [Number(day), secret]));
    tags.clear();
  };
  /** Throttled: otherwise URLs with an invalid day would cause a read of Redis each time. */
  const rereadSecrets = fresh(REREAD_MS, reread);
  const secretOf = async (day: number): Promise<string | undefined> => {
    if (!known.has(day)) await orUnavailable(rereadSecrets.now);
    return known.get(day);
  };
  const createSecret = async (day: number): Promise<void> => {
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const old = [...known.keys()].filter((other) => other < day - SECRET_DAYS).map(String);
    const batch = redis.pipeline().hsetnx(keys.secrets, `${day}`, secret);
    if (old.length > 0) batch.hdel(keys.secrets, ...old);
    await batch.exec();
    await reread();
  };

  /** Stands for a key in a URL without revealing its id. */
  const tagOf = (day: number, secret: string, key: string): string => {
    const name = `${day} ${key}`;
    const tag = tags.get(name) ?? hmac(secret, `key\n${key}`).slice(0, TAG_CHARS);
    tags.set(name, tag);
    return tag;
  };

  return {
    /**
     * Returns a function that adds `?expires=…&day=…&key=…&signature=…` to paths for the key with this id. The URLs
     * expire when the setting says, or at `atMost` (seconds since 1970). Throws `queue_unavailable` if there is no
     * secret to sign with.
     */
    signing: async (key: string, atMost?: number): Promise<(path: string) => string> => {
      const now = Math.floor(Date.now() / 1000);
      const day = Math.floor(now / DAY_SECONDS);
      if ((await secretOf(day)) === undefined) await orUnavailable(() => createSecret(day));
      const secret = known.get(day);
      if (secret === undefined) return orUnavailable(() => Promise.reject(new Error('no secret could be created')));
      const expires = atMost ?? Math.ceil((now + ttlSeconds) / ROUND_SECONDS) * ROUND_SECONDS;
      const tag = tagOf(day, secret, key);
      return (path) =>
        `${path}?expires=${expires}&day=${day}&key=${tag}&signature=${signatureOf(secret, path, expires, tag)}`;
    },
    /** The id of the one of these keys for which this path was signed; undefined if the query has no valid signature. */
    verify: async (path: string, query: URLSearchParams, keys: readonly { readonly id: string }[]) => {
      const [expires, day, tag = '', signature = ''] = ['expires', 'day', 'key', 'signature'].map(
        (name) => query.get(name) ?? '',
      );
      if (!isNumber(expires) || !isNumber(day) || Number(expires) * 1000 <= Date.now()) return undefined;
      // Otherwise every URL with an invalid day would cause a read of Redis.
      const today = Math.floor(Date.now() / 1000 / DAY_SECONDS);
      if (Number(day) > today + 1 || Number(day) < today - SECRET_DAYS) return undefined;
      const secret = await secretOf(Number(day));
      if (secret === undefined || !isSame(signature, signatureOf(secret, path, Number(expires), tag))) return undefined;
      return keys.find(({ id }) => tagOf(Number(day), secret, id) === tag)?.id;
    },
  };
}

function isNumber(text: string | undefined): boolean {
  return /^\d{1,12}$/.test(text ?? '');
}

function signatureOf(secret: string, path: string, expires: number, tag: string): string {
  return hmac(secret, `${path}\n${expires}\n${tag}`);
}

function hmac(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url');
}

function isSame(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
