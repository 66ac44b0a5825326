import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config.js';
import { ConfigError, type Environment } from '../environment.js';
import type { InstanceSettings } from './parse-instances.js';

/**
 * The instances of COMFYUI_URLS or COMFYUI_INSTANCES_FILE, in order; none if neither is set. Not part of loadConfig,
 * because only processes that talk to instances need their secrets. Throws a ConfigError with every error of the file,
 * without secrets.
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
  // Only imported if there is such a file, because YAML takes a while to load.
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
