import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Evidence } from './evidence.js';

/** Puts Redis' files, the logs and the evidence into `dir`, for somebody to look at. */
export async function keep(dir: string, redisDir: string, evidence: Evidence): Promise<void> {
  await cp(redisDir, join(dir, 'redis'), { recursive: true });
  await mkdir(join(dir, 'logs'));
  for (const { name, log } of evidence.processes) {
    await writeFile(join(dir, 'logs', `${name.replace('/', '-')}.log`), log);
  }
  const { jobs, deliveries, leftInQueues } = evidence;
  const maps = { jobs: [...jobs], deliveries: [...deliveries], leftInQueues: [...leftInQueues] };
  const plain = { ...evidence, ...maps, processes: [] };
  await writeFile(join(dir, 'evidence.json'), JSON.stringify(plain, null, 1));
}
