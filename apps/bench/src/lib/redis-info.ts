import { askRedis, until } from '@comfy-fleet/testing';

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
