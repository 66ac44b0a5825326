import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Request } from 'autocannon';
import { WORKFLOWS_DIR } from '../../lib/repository.js';
import type { Scope } from '../../lib/scope.js';
import { startApiStack } from './api-stack.js';
import { drawSeed, job, orders, prompt } from './bodies.js';
import { inTurns, type Ratio, type RatioOptions } from './in-turns.js';
import { startStandIn } from './stand-in.js';

const JOBS = 200;

/** ComfyUI's own API beside ours, on one API that knows what an instance has: prompts are judged by that. */
export function measureCompat(all: Scope, options: RatioOptions): Promise<readonly Ratio[]> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core: options.core });
    const standIn = await startStandIn(scope, stack);
    const graph = await readFile(join(WORKFLOWS_DIR, 'text2img.json'), 'utf8');
    const ids: string[] = [];
    for (let n = 0; n < JOBS; n++) {
      const { prompt_id } = JSON.parse(await stack.ask('POST', '/comfyui/prompt', prompt(graph))) as {
        prompt_id: string;
      };
      ids.push(prompt_id);
    }
    await standIn.endAll(JOBS);
    // Clients ask again and again for what has ended: it is made once, and then kept.
    for (const id of ids) await stack.ask('GET', `/comfyui/history/${id}`);
    const compared = (
      [what, requests]: readonly [string, readonly Request[]],
      [other, others]: readonly [string, readonly Request[]],
    ) => {
      const service = { what, server: stack, requests };
      const beside = { what: other, server: stack, requests: others };
      return inTurns(scope, { service, beside, key: stack.key }, options);
    };
    const reads = (path: string) => ids.map((id): Request => ({ method: 'GET', path: `${path}/${id}` }));
    const history = ['GET /comfyui/history/{id}', reads('/comfyui/history')] as const;
    const prompts = ['POST /comfyui/prompt', orders('/comfyui/prompt', () => prompt(graph))] as const;
    const reading = await compared(history, ['GET /jobs/:id', reads('/jobs')]);
    return [reading, await compared(prompts, ['POST /generate', orders('/generate', () => job(drawSeed()))])];
  });
}
