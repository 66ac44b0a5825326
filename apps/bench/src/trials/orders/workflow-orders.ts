import { readFile } from 'node:fs/promises';
import type { OutputKind } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { ask } from '../../lib/http.js';
import { inRepository } from '../../lib/local.js';
import type { Random } from '../../lib/random.js';
import type { PlannedJob } from './plan-orders.js';

/** Graphs of packages/testing/test/graphs that are published, and what each of them makes. */
const WORKFLOWS: Readonly<Record<'wan22-t2v' | 'two-kinds', readonly OutputKind[]>> = {
  'wan22-t2v': ['video'],
  // A simulator draws no more frames of a video than these.
  'two-kinds': ['image', 'image', 'image', 'image', 'video'],
};

/** As small as the graphs allow: what is drawn costs this machine's time. */
const SMALL = { width: 64, height: 64, length: 5, steps: 2 };

/** Some of those that begin with no picture become jobs of published workflows, each in the place of another. */
export function withWorkflows(jobs: readonly PlannedJob[], random: Random): PlannedJob[] {
  return jobs.map((job) => {
    const name = random.weighted({ none: 7, 'wan22-t2v': 2, 'two-kinds': 2 });
    if (name === 'none' || job.picture !== undefined) return job;
    const { prompt, seed, lod, priority, metadata } = job.body;
    const body = { inputs: { ...SMALL, prompt, seed }, lod, priority, metadata };
    return { ...job, path: `/workflows/${name}`, body, outputs: WORKFLOWS[name] };
  });
}

/** Model files that every simulator has, in the place of those that the graphs name. */
const INSTALLED: Readonly<Record<string, string>> = {
  unet_name: 'flux1-dev.safetensors',
  clip_name: 't5xxl_fp16.safetensors',
  vae_name: 'ae.safetensors',
};

/** Publishes what is ordered besides pictures; `key` has the scope `admin`. */
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
