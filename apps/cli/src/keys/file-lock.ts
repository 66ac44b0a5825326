import { readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Obstacle } from '../command.js';

const LOOK_MS = 20;

/**
 * Runs `work` while this process alone has the lock file `path`. Others have it for milliseconds: after `waitMs` it throws
 * an Obstacle that says whose it is. A lock is never taken away from a process that seems dead, since two that do so at
 * once would both have it.
 */
export async function withLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + waitMs;
  while (!(await take(path))) {
    if (performance.now() > deadline) {
      const holder = await readFile(path, 'utf8').catch(() => '');
      throw new Obstacle(
        `Another keys command${holder === '' ? '' : ` (process ${holder.trim()})`} is changing the keys. If none is, delete ${path} and try again.`,
      );
    }
    await delay(LOOK_MS);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
