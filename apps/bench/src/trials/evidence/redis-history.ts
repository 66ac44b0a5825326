import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobStatus } from '@comfy-fleet/contracts';

/** Every command that Redis wrote to its append-only file, in order. */
export async function readCommands(redisDir: string): Promise<string[][]> {
  const dir = join(redisDir, 'appendonlydir');
  const files = (await readdir(dir)).filter((name) => name.endsWith('.incr.aof'));
  // With more than one, Redis has rewritten its file, and earlier commands are lost.
  if (files.length !== 1) throw new Error(`expected one append-only file, found ${files.join(', ')}`);
  return parseCommands(await readFile(join(dir, files[0] as string)));
}

/** Parses commands in the Redis protocol, without an incomplete one at the end. */
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

/** How many entries the outbox has after all commands. */
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

/** A submission of a job to an instance, from its record. */
export interface Submission {
  readonly promptId: string;
  readonly instance: string;
}

/** The history of one job in the append-only file. Times are ms since 1970. */
export interface JobHistory {
  readonly id: string;
  /** The tag of its order, from its metadata. */
  readonly tag: string | undefined;
  readonly statuses: { readonly status: JobStatus; at: number }[];
  readonly submissions: Submission[];
  /** The workers that claimed it, in order. */
  readonly claims: string[];
}

/** Derives the histories of jobs from the commands of Redis. */
export function jobHistories(commands: readonly (readonly string[])[], prefix: string): JobHistory[] {
  const histories = new Map<string, JobHistory>();
  const jobKey = `${prefix}:job:`;
  const eventsKey = `${prefix}:events:`;
  let clock = 0;
  for (const [name = '', key = '', ...rest] of commands) {
    const verb = name.toUpperCase();
    if (verb === 'HSET' && key.startsWith(jobKey)) {
      const fields = pairs(rest);
      clock = Math.max(clock, Number(fields.get('created_at') ?? 0), Number(fields.get('finished_at') ?? 0));
      recordFields(key.slice(jobKey.length), fields);
    } else if (verb === 'XADD' && key.startsWith(eventsKey)) {
      const at = Number(rest[rest.indexOf('event') - 1]?.split('-')[0]);
      clock = Math.max(clock, at);
      // A script writes a change of status together with its event.
      const last = histories.get(key.slice(eventsKey.length))?.statuses.at(-1);
      if (last !== undefined && rest.at(-1)?.includes(`"status":"${last.status}"`)) last.at = at;
    }
  }
  return [...histories.values()];

  function recordFields(id: string, fields: ReadonlyMap<string, string>): void {
    if (fields.has('created_at'))
      histories.set(id, { id, tag: tagOf(fields), statuses: [], submissions: [], claims: [] });
    const history = histories.get(id);
    if (history === undefined) throw new Error(`the append-only file changes job ${id}, which it did not create`);
    const [status, promptId, worker] = [fields.get('status'), fields.get('prompt_id'), fields.get('worker')];
    if (status !== undefined) history.statuses.push({ status: status as JobStatus, at: clock });
    if (promptId !== undefined) history.submissions.push({ promptId, instance: fields.get('instance') ?? '' });
    if (worker !== undefined && worker !== '') history.claims.push(worker);
  }
}

function tagOf(fields: ReadonlyMap<string, string>): string | undefined {
  const request = JSON.parse(fields.get('request') ?? '{}') as { metadata?: { chaos?: string } };
  return request.metadata?.chaos;
}

function pairs(list: readonly string[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (let n = 0; n + 1 < list.length; n += 2) map.set(list[n] as string, list[n + 1] as string);
  return map;
}
