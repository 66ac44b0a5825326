import { readFile } from 'node:fs/promises';
import { setInterval as every } from 'node:timers/promises';
import { askRedis, until } from '@comfy-fleet/testing';
import type { Scope } from './scope.js';

export interface ProcessSample {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Of one core, since the process began. */
  readonly cpuMs: number;
  /** The most memory it has had so far. */
  readonly peakBytes: number;
}

/** Linux counts in hundredths of a second, whatever the kernel's own clock does. */
const TICK_MS = 10;
const EVERY_MS = 250;

/** Where the kernel tells it (Linux); undefined elsewhere. */
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
  // the second field is the name, in parentheses and with any characters
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** VmHWM in the text of /proc/<pid>/status. */
export function peakBytesIn(status: string): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Notes every 250 ms what the process uses, until the scope closes. */
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

/** Share of one core between the first and the last sample in a span of time, 1 for all of it; undefined without two. */
export function cpuShare(samples: readonly ProcessSample[], from: number, to: number): number | undefined {
  const within = samples.filter(({ at }) => at >= from && at <= to);
  const [first, last] = [within.at(0), within.at(-1)];
  if (first === undefined || last === undefined || last.at === first.at) return undefined;
  return (last.cpuMs - first.cpuMs) / (last.at - first.at);
}

/** What the process has in memory now; undefined where the kernel does not tell. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  return status === undefined ? undefined : residentBytesIn(status);
}

/** VmRSS in the text of /proc/<pid>/status. */
export function residentBytesIn(status: string): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Bytes that Redis has in use, when it is not just rewriting its file. */
export async function redisMemory(url: string): Promise<number> {
  const rewriting = async () => (await tellRedis(url, 'INFO persistence')).includes('aof_rewrite_in_progress:1');
  await until('the file is rewritten', async () => !(await rewriting()), { withinMs: 60_000, everyMs: 100 });
  return usedMemoryIn(await tellRedis(url, 'INFO memory'));
}

/** Microseconds that its main thread, which runs the scripts, has used of a core. */
export async function redisCpu(url: string): Promise<number> {
  return mainThreadCpuIn(await tellRedis(url, 'INFO cpu'));
}

/** Says a command in one line and answers what Redis says. Throws when it says an error. */
export async function tellRedis(url: string, line: string): Promise<string> {
  const answer = await askRedis({ port: Number(new URL(url).port) }, line);
  if (answer === '' || answer.startsWith('-')) throw new Error(`${line}: ${answer || 'no answer'}`);
  return answer;
}

/** used_memory in what INFO says, in bytes. */
export function usedMemoryIn(info: string): number {
  return numberIn(info, 'used_memory');
}

/** User and system time of the main thread in what INFO says, in microseconds. */
export function mainThreadCpuIn(info: string): number {
  return (numberIn(info, 'used_cpu_user_main_thread') + numberIn(info, 'used_cpu_sys_main_thread')) * 1e6;
}

function numberIn(info: string, name: string): number {
  const found = new RegExp(`^${name}:([\\d.]+)\\r?$`, 'm').exec(info);
  if (found === null) throw new Error(`INFO does not say ${name}`);
  return Number(found[1]);
}
