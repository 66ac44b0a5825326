/** Name → key. Variable parts of the key are in angle brackets, two at most. */
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
 * The same builders for scripts in Lua, such as `pools_key()`, `open_key(pool)` and, for a channel, `job_channel(id)`.
 */
export interface LuaKeys {
  /** Turns calls of builders into calls of fields of one table `K`, because Lua allows only 200 local variables. */
  withCalls(text: string): string;
  /** Lua that defines the builders that a script calls in `K`, the prefix `P`, and the named arguments `args`. */
  buildersOf(script: string): string;
}

export function luaKeys(table: KeyTable): LuaKeys {
  const builders = new Map(Object.entries(table).map(([name, key]) => [luaNameOf(name), luaBuilder(name, key)]));
  return {
    withCalls: (text) =>
      text.replace(/\b(\w+_(?:key|channel))\(/g, (call, name: string) => (builders.has(name) ? `K.${call}` : call)),
    buildersOf: (script) => {
      const called = new Set([...script.matchAll(/\bK\.(\w+)\(/g)].map(([, name]) => name));
      const functions = [...builders].flatMap(([name, builder]) => (called.has(name) ? [builder] : []));
      return ['local P, K, args = ARGV[1], {}, cjson.decode(ARGV[2])', ...functions].join('\n');
    },
  };
}

function luaBuilder(name: string, key: string): string {
  const parts = [...key.matchAll(PART)].map(([, part]) => part);
  const value = `P .. ':${key.replace(PART, "' .. $1 .. '")}'`.replace(/ \.\. ''$/, '');
  return `function K.${luaNameOf(name)}(${parts.join(', ')}) return ${value} end`;
}

export function luaNameOf(name: string): string {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return snake.endsWith('_channel') ? snake : `${snake}_key`;
}
