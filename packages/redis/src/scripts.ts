import type { Redis } from 'ioredis';

/** Sets our scripts apart from Redis' own commands. */
const COMMAND = 'fleet:';

/** What each connection may run. */
const scriptsOf = new WeakMap<Redis, Readonly<Record<string, string>>>();

/** Lets a connection run Lua of one key each, by the name under which `runScript` knows it. */
export function defineScripts(redis: Redis, scripts: Readonly<Record<string, string>>): void {
  scriptsOf.set(redis, scripts);
}

/** Runs one of the connection's scripts; ioredis sends its hash, and its text only to a Redis that does not know it yet. */
export function runScript(
  redis: Redis,
  name: string,
  key: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  // When it is first run: a connection runs few of all scripts, and each pipeline of it takes a copy of those that it has.
  const command = commandOf(redis, name) ?? define(redis, name);
  return command.call(redis, key, ...args);
}

type Command = (...args: (string | number)[]) => Promise<unknown>;

function commandOf(redis: Redis, name: string): Command | undefined {
  return (redis as unknown as Record<string, Command | undefined>)[COMMAND + name];
}

function define(redis: Redis, name: string): Command {
  const lua = scriptsOf.get(redis)?.[name];
  if (lua === undefined) throw new Error(`script ${name} was not defined on this connection`);
  redis.defineCommand(COMMAND + name, { numberOfKeys: 1, lua });
  return commandOf(redis, name) as Command;
}
