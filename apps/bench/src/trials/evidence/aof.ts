import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Every command that Redis wrote to its append-only file, in order. */
export async function readCommands(redisDir: string): Promise<string[][]> {
  const dir = join(redisDir, 'appendonlydir');
  const files = (await readdir(dir)).filter((name) => name.endsWith('.incr.aof'));
  // More than one: Redis has rewritten its file, and what was before is lost to us.
  if (files.length !== 1) throw new Error(`expected one append-only file, found ${files.join(', ')}`);
  return parseCommands(await readFile(join(dir, files[0] as string)));
}

/** Reads commands in Redis' own notation; one that was cut short at the end is left out. */
export function parseCommands(bytes: Buffer): string[][] {
  const commands: string[][] = [];
  let at = 0;
  const line = (): string | undefined => {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const text = bytes.toString('latin1', at, end);
    at = end + 2;
    return text;
  };
  for (;;) {
    const count = Number(line()?.slice(1));
    if (!Number.isInteger(count)) return commands;
    const words: string[] = [];
    for (let n = 0; n < count; n += 1) {
      const length = Number(line()?.slice(1));
      if (!Number.isInteger(length) || at + length + 2 > bytes.length) return commands;
      words.push(bytes.toString('utf8', at, at + length));
      at += length + 2;
    }
    commands.push(words);
  }
}

/** How many entries are in the outbox after Redis' commands. */
export function outboxLength(commands: readonly (readonly string[])[], prefix: string): number {
  const entries = new Set<string>();
  for (const [name = '', key, ...rest] of commands) {
    if (key !== `${prefix}:outbox`) continue;
    const verb = name.toUpperCase();
    if (verb === 'XADD') entries.add(rest[0] ?? '');
    if (verb === 'XDEL') for (const id of rest) entries.delete(id);
  }
  return entries.size;
}
