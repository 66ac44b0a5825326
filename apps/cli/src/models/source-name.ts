import { MODEL_KINDS, modelOfSource } from '@comfy-fleet/client';
import { UsageError } from '../command.js';

/** The folder of ComfyUI that a model belongs in, and its name as loaders list it. */
export interface ModelName {
  readonly kind: string;
  readonly name: string;
}

/** Splits `loras/sdxl/detail.safetensors` into kind and name. Throws a UsageError. */
export function readModelName(given: string): ModelName {
  const [kind = '', ...rest] = given.split('/');
  const name = rest.join('/');
  if (name !== '') return { kind, name };
  throw new UsageError(`${given} is not a model: write its kind and name, as in loras/detail.safetensors.`);
}

/** Kind and name from the options, otherwise from the source. Throws a UsageError if neither tells them. */
export function nameOfSource(source: string, given: Partial<ModelName>): ModelName {
  const { kind, name } = { ...modelOfSource(source), ...given };
  if (kind !== undefined && name !== undefined) return { kind, name };
  const missing = [...(kind === undefined ? ['--kind'] : []), ...(name === undefined ? ['--name'] : [])].join(' and ');
  throw new UsageError(`${source} does not tell what the model is: add ${missing}. Kinds: ${MODEL_KINDS.join(', ')}.`);
}
