/** Name → key. Variable parts of the key are in angle brackets, two at most. */
export type KeyTable = Readonly<Record<string, string>>;

type Parts<P extends string> = P extends `${string}<${string}>${infer Rest}`
  ? [part: string | number, ...Parts<Rest>]
  : [];

/** Builds each key of the table; a key without variable parts is a string. */
type Builders<T extends KeyTable> = {
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
 * Lua that defines the prefix `P`, the named arguments `args`, and the same builders, such as `pools_key()`,
 * `open_key(pool)` and, for a channel, `job_channel(id)`.
 */
export function luaKeys(table: KeyTable): string {
  const builders = Object.entries(table).map(([name, key]) => {
    const parts = [...key.matchAll(PART)].map(([, part]) => part as string);
    return `local function ${luaNameOf(name)}(${parts.join(', ')}) return ${luaKey(key, parts)} end`;
  });
  return ['local P, args = ARGV[1], cjson.decode(ARGV[2])', ...builders].join('\n');
}

/**
 * Puts keys into the text of a script where their parts are plain: `open_key(pool)` becomes `(P .. ':open:' .. pool)`,
 * so that Redis makes no function for it.
 */
export function withLuaKeys(table: KeyTable, script: string): string {
  const keys = new Map(Object.entries(table).map(([name, key]) => [luaNameOf(name), key]));
  return script.replace(/\b(\w+_(?:key|channel))\(([^()]*)\)/g, (call, name: string, parts: string) => {
    const key = keys.get(name);
    return key === undefined ? call : `(${luaKey(key, parts.split(', '))})`;
  });
}

function luaKey(key: string, parts: readonly string[]): string {
  let n = 0;
  return `P .. ':${key.replace(PART, () => `' .. ${parts[n++]} .. '`)}'`.replace(/ \.\. ''$/, '');
}

export function luaNameOf(name: string): string {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return snake.endsWith('_channel') ? snake : `${snake}_key`;
}
