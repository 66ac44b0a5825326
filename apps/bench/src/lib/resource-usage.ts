import { readFile } from 'node:fs/promises';
import { setInterval as every } from 'node:timers/promises';
import { askRedis, until } from '@comfy-fleet/testing';
import type { Scope } from './scope.js';

export interface ProcessSample {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** CPU time since the process started. */
  readonly cpuMs: number;
  /** Peak memory so far. */
  readonly peakBytes: number;
}

/** Linux counts CPU time in hundredths of a second. */
const TICK_MS = 10;
const EVERY_MS = 250;

/** Undefined on systems other than Linux. */
async function sampleProcess(pid: number): Promise<ProcessSample | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return { at: Date.now(), cpuMs: cpuMsIn(stat), peakBytes: peakBytesIn(status) };
  } catch {
    return undefined;
  }
}

/** User and system time in the text of /proc/<pid>/stat. */
export function cpuMsIn(stat: string): number {
  // The second field is the name in parentheses, which may contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** VmHWM in the text of /proc/<pid>/status. */
export function peakBytesIn(status: string): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Samples the process every 250 ms until the scope closes. */
export function watchProcess(scope: Scope, pid: number): readonly ProcessSample[] {
  const samples: ProcessSample[] = [];
  const stopping = new AbortController();
  const watching = (async () => {
    for await (const _ of every(EVERY_MS, undefined, { signal: stopping.signal })) {
      const sample = await sampleProcess(pid);
      if (sample !== undefined) samples.push(sample);
    }
  })().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  scope.onClose(() => {
    stopping.abort();
    return watching;
  });
  return samples;
}

/** The share of one core that was used between two times, from 0 to 1; undefined with fewer than two samples. */
export function cpuShare(samples: readonly ProcessSample[], from: number, to: number): number | undefined {
  const within = samples.filter(({ at }) => at >= from && at <= to);
  const [first, last] = [within.at(0), within.at(-1)];
  if (first === undefined || last === undefined || last.at === first.at) return undefined;
  return (last.cpuMs - first.cpuMs) / (last.at - first.at);
}

/** The current resident memory of a process; undefined on systems other than Linux. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  return status === undefined ? undefined : residentBytesIn(status);
}

/** VmRSS in the text of /proc/<pid>/status. */
export function residentBytesIn(status: string): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** The bytes that Redis uses. Waits until it is not rewriting its append-only file. */
export async function redisMemory(url: string): Promise<number> {
  const rewriting = async () => (await redisCommand(url, 'INFO persistence')).includes('aof_rewrite_in_progress:1');
  await until('Redis has rewritten its file', async () => !(await rewriting()), { withinMs: 60_000, everyMs: 100 });
  return usedMemoryIn(await redisCommand(url, 'INFO memory'));
}

/** CPU time, in microseconds, of the main thread of Redis, which runs the scripts. */
export async function redisCpu(url: string): Promise<number> {
  return mainThreadCpuIn(await redisCommand(url, 'INFO cpu'));
}

/** Sends a command in one line and returns the reply. Throws if the reply is an error. */
export async function redisCommand(url: string, line: string): Promise<string> {
  const answer = await askRedis({ port: Number(new URL(url).port) }, line);
  if (answer === '' || answer.startsWith('-')) throw new Error(`${line}: ${answer || 'no answer'}`);
  return answer;
}

/** used_memory in the text of INFO, in bytes. */
export function usedMemoryIn(info: string): number {
  return numberIn(info, 'used_memory');
}

/** User and system time of the main thread in the text of INFO, in microseconds. */
export function mainThreadCpuIn(info: string): number {
  return (numberIn(info, 'used_cpu_user_main_thread') + numberIn(info, 'used_cpu_sys_main_thread')) * 1e6;
}

function numberIn(info: string, name: string): number {
  const found = new RegExp(`^${name}:([\\d.]+)\\r?$`, 'm').exec(info);
  if (found === null) throw new Error(`INFO has no ${name}`);
  return Number(found[1]);
}
