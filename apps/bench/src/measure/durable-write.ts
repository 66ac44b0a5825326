import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { percentile } from '../lib/statistics.js';

const WRITES = 100;
const BYTES = 200;

/** What the disk needs for one small durable write, in one line: each step of a job waits for some of them in Redis. */
export async function durableWrite(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-disk-'));
  const file = await open(join(dir, 'log'), 'a');
  const ms: number[] = [];
  try {
    for (let n = 0; n < WRITES; n++) {
      const began = performance.now();
      await file.appendFile(Buffer.alloc(BYTES));
      await file.datasync();
      ms.push(performance.now() - began);
    }
  } finally {
    await file.close();
    await rm(dir, { recursive: true });
  }
  const [p50, p95] = [50, 95].map((share) => percentile(ms, share).toFixed(1));
  return `a durable write takes ${p50} ms (p50), ${p95} ms (p95)`;
}
