import { setTimeout as delay } from 'node:timers/promises';
import { connectDirectly } from './direct-feed.js';
import { type Execution, executionsIn } from './executions.js';
import type { Gpu } from './gpu.js';
import { scoped } from './scope.js';
import { emptyImageGraph } from './workflow.js';

const EVERY_MS = 1000;

/** What most scripts do: submit one prompt, look every second whether it is done, submit the next. */
export async function measurePollClient(gpu: Gpu, promptMs: number, count: number): Promise<Execution[]> {
  return scoped(async (scope) => {
    const comfy = await connectDirectly(scope, gpu.url);
    await gpu.clear();
    await gpu.pace(promptMs);
    const since = Date.now();
    for (let color = 1; color <= count; color++) {
      const id = await comfy.submit((prefix) => emptyImageGraph({ text: `poll ${color}`, color, prefix }));
      do await delay(EVERY_MS);
      while (!(await comfy.hasEnded(id)));
    }
    return executionsIn(gpu.journal(), since);
  });
}
