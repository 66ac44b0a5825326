import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config.js';
import { ConfigError, type Environment } from '../environment.js';
import type { ModelCredential } from '../model-credentials.js';
import type { InstanceSettings } from './parse-instances.js';

/**
 * The instances of COMFYUI_URLS or COMFYUI_INSTANCES_FILE, in order; none if neither is set. Not part of loadConfig,
 * because only processes that talk to instances need their secrets. Throws a ConfigError with every error of the file,
 * without secrets.
 */
export async function readInstances(
  { comfyui, worker, models }: Pick<Config, 'comfyui' | 'worker' | 'models'>,
  env: Environment = process.env,
): Promise<readonly InstanceSettings[]> {
  const { instancesFile: path, urls, folders } = comfyui;
  if (path === undefined) {
    return urls.map((url, index) => ({
      name: `${index + 1}`,
      url,
      headers: {},
      folders: folders[index] ?? { output: undefined, input: undefined, temp: undefined },
      modelsDir: models.dir,
      pools: worker.pools,
    }));
  }
  // Only imported if there is such a file, because YAML takes a while to load.
  const { parseInstances } = await import('./parse-instances.js');
  const text = textOf('COMFYUI_INSTANCES_FILE', path);
  const { pools } = worker;
  const { instances, faults } = parseInstances(text, { dir: dirname(path), env, pools, modelsDir: models.dir });
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `COMFYUI_INSTANCES_FILE=${path}: ${fault}`));
  return instances;
}

/**
 * Reads MODEL_CREDENTIALS_FILE; only workers need its secrets. Throws a ConfigError with every error of the file, without
 * secrets.
 */
export async function readModelCredentials(
  { models: { credentialsFile: path } }: Pick<Config, 'models'>,
  env: Environment = process.env,
): Promise<readonly ModelCredential[]> {
  if (path === undefined) return [];
  const { parseModelCredentials } = await import('../model-credentials.js');
  const { credentials, faults } = parseModelCredentials(textOf('MODEL_CREDENTIALS_FILE', path), {
    dir: dirname(path),
    env,
  });
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `MODEL_CREDENTIALS_FILE=${path}: ${fault}`));
  return credentials;
}

function textOf(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError([`${setting}=${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`]);
  }
}
