import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const PROBE_EVERY_MS = 2;

export interface Probe {
  /**
   * The longest time, in ms, that /livez took since the last call or the start. One more request is made before it
   * returns.
   */
  worstMs(): Promise<number>;
  close(): Promise<unknown>;
}

/** Requests /livez again and again, in its own thread, so that nothing else in this process delays it. */
export async function startProbe(url: string): Promise<Probe> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: `${url}/livez` });
  const worstMs = async () => {
    worker.postMessage('report');
    const [worst] = await once(worker, 'message');
    return worst as number;
  };
  await worstMs(); // so that the first connection is open
  return { worstMs, close: () => worker.terminate() };
}

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

if (!isMainThread) await probe(workerData as string);
