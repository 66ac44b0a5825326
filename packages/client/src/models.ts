import type { Model, ModelList, ModelRequest } from './api-types.js';
import type { Abortable, Transport } from './transport.js';

export type ModelKind = Model['kind'];

/** ComfyUI's folders of models. The compiler checks that none is missing. */
const KINDS: Readonly<Record<ModelKind, true>> = {
  checkpoints: true,
  diffusion_models: true,
  loras: true,
  vae: true,
  text_encoders: true,
  clip_vision: true,
  controlnet: true,
  upscale_models: true,
  latent_upscale_models: true,
  style_models: true,
  embeddings: true,
  hypernetworks: true,
  gligen: true,
  photomaker: true,
  model_patches: true,
  audio_encoders: true,
};
export const MODEL_KINDS = Object.keys(KINDS) as readonly ModelKind[];

/** The registered models of a fleet. Changing them needs a key with the scope admin. */
export interface Models {
  /** The models that the key may use, and for admins the folders that hold them. */
  list(options?: Abortable): Promise<ModelList>;
  get(kind: string, name: string, options?: Abortable): Promise<Model>;
  /** Registers a model, or changes a registered one: fields that are left out keep their values. */
  put(kind: string, name: string, model: ModelRequest, options?: Abortable): Promise<Model>;
  /** Also deletes the copies that the fleet fetched. */
  delete(kind: string, name: string, options?: Abortable): Promise<void>;
  /** Fetches the model before a job needs it; default: in all pools. */
  fetch(kind: string, name: string, options?: Abortable & { readonly pools?: readonly string[] }): Promise<Model>;
  /** Has all copies read again and compared with the hash. */
  verify(kind: string, name: string, options?: Abortable): Promise<Model>;
}

export function createModels(transport: Transport): Models {
  const at = (kind: string, name: string, below = '') =>
    `/models/${encodeURIComponent(kind)}/${encodeURIComponent(name)}${below}`;
  return {
    list: (options) => transport.json('/models', options),
    get: (kind, name, options) => transport.json(at(kind, name), options),
    put: (kind, name, json, options) => transport.json(at(kind, name), { ...options, method: 'PUT', json }),
    delete: async (kind, name, options) => {
      await transport.send(at(kind, name), { ...options, method: 'DELETE' });
    },
    fetch: (kind, name, { pools, ...options } = {}) =>
      transport.json(at(kind, name, '/fetch'), { ...options, method: 'POST', json: { pools } }),
    verify: (kind, name, options) => transport.json(at(kind, name, '/verify'), { ...options, method: 'POST' }),
  };
}

/** The kind and name of a model as far as the path of a source tells them: a folder named like a kind, and the file. */
export function modelOfSource(source: string): { readonly kind?: ModelKind; readonly name?: string } {
  const parts = pathOf(source)
    .split('/')
    .filter((part) => part !== '');
  const kind = MODEL_KINDS.findLast((one) => parts.slice(0, -1).includes(one));
  const name = parts.at(-1);
  return { ...(kind === undefined ? {} : { kind }), ...(name === undefined ? {} : { name }) };
}

function pathOf(source: string): string {
  if (source.startsWith('hf:'))
    return source
      .slice('hf:'.length)
      .replace(/@[^/]*$/, '')
      .split('/')
      .slice(2)
      .join('/');
  return /^(https?|s3):/.test(source) && URL.canParse(source) ? decodeURIComponent(new URL(source).pathname) : '';
}
