import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config.js';
import { ConfigError } from '../config-error.js';
import type { Environment } from '../environment.js';
import type { InstanceSettings } from './parse-instances.js';

/**
 * The instances that COMFYUI_URLS or COMFYUI_INSTANCES_FILE name, in their order; none where neither is set. Apart from
 * loadConfig, since the secrets in it are for those who talk to instances alone. Throws a ConfigError that names every
 * fault of the file, and no secret.
 */
export async function readInstances(
  { comfyui, worker }: Pick<Config, 'comfyui' | 'worker'>,
  env: Environment = process.env,
): Promise<readonly InstanceSettings[]> {
  const { instancesFile: path, urls, folders } = comfyui;
  if (path === undefined) {
    return urls.map((url, index) => ({
      name: `${index + 1}`,
      url,
      headers: {},
      folders: folders[index] ?? { output: undefined, input: undefined, temp: undefined },
      pools: worker.pools,
    }));
  }
  // Loaded by those alone who have such a file: YAML takes a while.
  const { parseInstances } = await import('./parse-instances.js');
  const { instances, faults } = parseInstances(textOf(path), { dir: dirname(path), env, pools: worker.pools });
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `COMFYUI_INSTANCES_FILE=${path}: ${fault}`));
  return instances;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError([
      `COMFYUI_INSTANCES_FILE=${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`,
    ]);
  }
}
