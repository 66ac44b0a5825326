import { readFile } from 'node:fs/promises';
import type { OutputKind } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { ask } from '../../lib/http.js';
import type { Random } from '../../lib/random.js';
import { inRepository } from '../../local.js';
import type { PlannedJob } from './plan-orders.js';

/** Published graphs of packages/testing/test/graphs, with their outputs. */
const WORKFLOWS: Readonly<Record<'wan22-t2v' | 'two-kinds', readonly OutputKind[]>> = {
  'wan22-t2v': ['video'],
  // The simulator draws at most four frames of a video.
  'two-kinds': ['image', 'image', 'image', 'image', 'video'],
};

/** As small as the graphs allow, because drawing takes CPU time. */
const SMALL = { width: 64, height: 64, length: 5, steps: 2 };

/** Replaces some of the jobs without an input picture by jobs of published workflows. */
export function withWorkflows(jobs: readonly PlannedJob[], random: Random): PlannedJob[] {
  return jobs.map((job) => {
    const name = random.weighted({ none: 7, 'wan22-t2v': 2, 'two-kinds': 2 });
    if (name === 'none' || job.picture !== undefined) return job;
    const { prompt, seed, lod, priority, metadata } = job.body;
    const body = { inputs: { ...SMALL, prompt, seed }, lod, priority, metadata };
    return { ...job, path: `/workflows/${name}`, body, outputs: WORKFLOWS[name] };
  });
}

/** Model files of the simulators, which replace those in the graphs. */
const INSTALLED: Readonly<Record<string, string>> = {
  unet_name: 'flux1-dev.safetensors',
  clip_name: 't5xxl_fp16.safetensors',
  vae_name: 'ae.safetensors',
};

/** Publishes the workflows. `key` has the scope `admin`. */
export async function publishWorkflows(apiUrl: string, key: string): Promise<void> {
  for (const name of Object.keys(WORKFLOWS)) {
    const body = {
      graph: withInstalled(await readFile(inRepository(`packages/testing/test/graphs/${name}.json`), 'utf8')),
    };
    await until(`${name} is published`, async () => {
      const answer = await ask(`${apiUrl}/workflows/${name}`, { method: 'PUT', key, body });
      if (answer.status !== undefined && answer.status >= 400 && answer.status < 500) {
        throw new Error(`${name} is refused: ${JSON.stringify(answer.body)}`);
      }
      return answer.status === 201 || answer.status === 200;
    });
  }
}

function withInstalled(text: string): unknown {
  return JSON.parse(text, (input, value) => INSTALLED[input] ?? value);
}
