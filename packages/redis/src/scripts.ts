import type { Redis } from 'ioredis';

/** Sets our scripts apart from Redis' own commands. */
const COMMAND = 'fleet:';

/** Defines on a connection Lua of one key each, by the name under which `runScript` knows it. */
export function defineScripts(redis: Redis, scripts: Readonly<Record<string, string>>): void {
  for (const [name, lua] of Object.entries(scripts)) redis.defineCommand(COMMAND + name, { numberOfKeys: 1, lua });
}

/** Runs one of the connection's scripts; ioredis sends its hash, and its text only to a Redis that does not know it yet. */
export function runScript(
  redis: Redis,
  name: string,
  key: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  const commands = redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>;
  const command = commands[COMMAND + name];
  if (command === undefined) throw new Error(`script ${name} was not defined on this connection`);
  return command.call(redis, key, ...args);
}
