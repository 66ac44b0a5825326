import { readFile } from 'node:fs/promises';
import { until } from '@comfy-fleet/testing';
import { ask } from '../../lib/http.js';
import { inRepository } from '../../lib/repository.js';
import { WORKFLOWS } from './workflow-orders.js';

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
