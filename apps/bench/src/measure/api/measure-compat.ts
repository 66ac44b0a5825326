import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WORKFLOWS_DIR } from '../../lib/repository.js';
import type { Scope } from '../../lib/scope.js';
import { startApiStack } from './api-stack.js';
import { drawSeed, job, orders, prompt } from './bodies.js';
import { inTurns, type Ratio, type RatioOptions } from './in-turns.js';
import { publishCatalogue } from './publish-catalogue.js';

/** A prompt of ComfyUI's API beside a job of ours, on one API that judges prompts by what an instance has. */
export function measureCompat(all: Scope, options: RatioOptions): Promise<Ratio> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core: options.core });
    await publishCatalogue(stack);
    const graph = await readFile(join(WORKFLOWS_DIR, 'text2img.json'), 'utf8');
    const prompts = orders('/comfyui/prompt', () => prompt(graph));
    const jobs = orders('/generate', () => job(drawSeed()));
    const service = { what: 'POST /comfyui/prompt', server: stack, requests: prompts };
    const beside = { what: 'POST /generate', server: stack, requests: jobs };
    return inTurns(scope, { service, beside, key: stack.key }, options);
  });
}
