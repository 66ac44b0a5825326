import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** The thread of `startProbe`: requests /livez without a pause, and reports the longest wait when asked. */
const PROBE_EVERY_MS = 2;

async function probe(url: string): Promise<never> {
  const agent = new Agent({ keepAlive: true });
  let isAsked = false;
  parentPort?.on('message', () => {
    isAsked = true;
  });
  for (let worst = 0; ; await delay(PROBE_EVERY_MS)) {
    const isLast = isAsked;
    const began = performance.now();
    await new Promise((resolve, reject) => {
      get(url, { agent }, (response) => response.resume().once('end', resolve)).once('error', reject);
    });
    worst = Math.max(worst, performance.now() - began);
    if (!isLast) continue;
    parentPort?.postMessage(worst);
    isAsked = false;
    worst = 0;
  }
}

await probe(workerData as string);
