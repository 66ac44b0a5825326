import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

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
  const worker = new Worker(fileURLToPath(new URL('./livez-prober.js', import.meta.url)), {
    workerData: `${url}/livez`,
  });
  const worstMs = async () => {
    worker.postMessage('report');
    const [worst] = await once(worker, 'message');
    return worst as number;
  };
  await worstMs(); // so that the first connection is open
  return { worstMs, close: () => worker.terminate() };
}
