import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { luaKeys, luaNameOf, withLuaKeys } from '../src/key-table.js';
import { createKeys, KEY_TABLE, type Keys } from '../src/keys.js';

const NAMES = Object.keys(KEY_TABLE) as (keyof typeof KEY_TABLE)[];
const keys = createKeys('{tag}');

/** The key with `a` and `b` as its variable parts. */
const built = (name: keyof Keys): string => {
  const key = keys[name] as string | ((...parts: string[]) => string);
  return typeof key === 'string' ? key : key('a', 'b');
};

it('builds each key from its parts', () => {
  expect([
    keys.job('i'),
    keys.affinityQueue('p', 'q'),
    keys.usage('k', 7),
    keys.lock('p', 'i'),
    keys.jobsOf('k'),
    keys.pools,
  ]).toEqual([
    '{tag}:job:i',
    '{tag}:affinity-queue:p:q',
    '{tag}:usage:k:7',
    '{tag}:queue-p:i:lock',
    '{tag}:jobs-of:k',
    '{tag}:pools',
  ]);
});

it('builds in Lua, when evaluated by Redis, exactly the keys that TypeScript builds', async () => {
  const redis = new Redis(inject('redisUrl'));
  onTestFinished(() => redis.disconnect());
  const inLua = (name: string) =>
    redis.eval(`${luaKeys(KEY_TABLE)}\nreturn ${luaNameOf(name)}('a', 'b')`, 0, '{tag}', '{}');
  const putIn = (name: string) => {
    const script = withLuaKeys(KEY_TABLE, `local P, a, b = ARGV[1], 'a', 'b'\nreturn ${luaNameOf(name)}(a, b)`);
    expect(script).not.toContain(luaNameOf(name));
    return redis.eval(script, 0, '{tag}');
  };
  expect(await Promise.all(NAMES.map(inLua))).toEqual(NAMES.map(built));
  expect(await Promise.all(NAMES.map(putIn))).toEqual(NAMES.map(built));
});

it('begins every key and channel with the prefix, so that all share one slot of a Redis Cluster', () => {
  const names = NAMES.map(built);
  expect(new Set(names).size).toBe(NAMES.length);
  for (const key of names) expect(key).toMatch(/^\{tag\}:/);
});
