/** Name → key, with its variable parts in angle brackets (two at most). */
export type KeyTable = Readonly<Record<string, string>>;

type Parts<P extends string> = P extends `${string}<${string}>${infer Rest}`
  ? [part: string | number, ...Parts<Rest>]
  : [];

/** Builds each key of the table; a key without variable parts is a string. */
export type Builders<T extends KeyTable> = {
  readonly [K in keyof T]: Parts<T[K]> extends [] ? string : (...parts: Parts<T[K]>) => string;
};

const PART = /<(\w+)>/g;

export function keyBuilders<T extends KeyTable>(table: T, prefix: string): Builders<T> {
  const built = Object.entries(table).map(([name, key]) => [name, builder(key, prefix)]);
  return Object.fromEntries(built) as Builders<T>;
}

function builder(key: string, prefix: string) {
  const [head, middle, end] = key.split(/<\w+>/);
  const start = `${prefix}:${head}`;
  if (middle === undefined) return start;
  if (end === undefined) return (part: string | number) => `${start}${part}${middle}`;
  return (first: string | number, second: string | number) => `${start}${first}${middle}${second}${end}`;
}

/**
 * A script that calls the same builders, `pools_key()`, `lane_key(pool, lod)`, and `job_channel(id)` for a channel, with
 * the calls as fields of one table `K`: Lua takes 200 local variables in a script, and no more.
 */
export function withLuaKeyCalls(table: KeyTable, script: string): string {
  const names = new Set(Object.keys(table).map(luaNameOf));
  return script.replace(/\b(\w+_(?:key|channel))\(/g, (call, name: string) => (names.has(name) ? `K.${call}` : call));
}

/**
 * The builders that such a script calls. They define `K`, and `P`, the prefix, which every script has as its first
 * argument.
 */
export function luaKeyBuilders(table: KeyTable, script: string): string {
  const functions = Object.entries(table).flatMap(([name, key]) => {
    const luaName = luaNameOf(name);
    if (!script.includes(`K.${luaName}(`)) return [];
    const parts = [...key.matchAll(PART)].map(([, part]) => part);
    const value = `P .. ':${key.replace(PART, "' .. $1 .. '")}'`.replace(/ \.\. ''$/, '');
    return [`function K.${luaName}(${parts.join(', ')}) return ${value} end`];
  });
  return ['local P, K = ARGV[1], {}', ...functions].join('\n');
}

export function luaNameOf(name: string): string {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return snake.endsWith('_channel') ? snake : `${snake}_key`;
}
