import type { ConfigOverrides } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { newId } from '@comfy-fleet/contracts';
import type { Claim } from '@comfy-fleet/jobs';
import { inject, onTestFinished } from 'vitest';
import { aKey, startApi, type TestApi } from '../api.js';
import { publishRealCatalogue } from '../runnable.js';

/** A client of ComfyUI's API with a key in its URL. */
export interface ComfyuiClient {
  readonly base: string;
  /** Returns the parsed body; throws unless the status is 200. */
  get(path: string): Promise<Record<string, never>>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Sends a prompt and returns the parsed body; throws unless the status is 200. */
  prompt(graph: unknown, more?: object): Promise<{ prompt_id: string; number: number; node_errors: object }>;
  /** Uploads bytes as a form. */
  upload(name: string, bytes: Uint8Array, fields?: Record<string, string>, path?: string): Promise<Response>;
}

const SCOPES: ApiKey['scopes'] = ['jobs', 'graphs'];

/** Starts the API with the catalogue of a real ComfyUI, and two keys with all scopes that its clients need. */
export async function openComfyui(env: Record<string, string> = {}, overrides: ConfigOverrides = {}) {
  const keys = [aKey('anna', { scopes: SCOPES }), aKey('bert', { scopes: SCOPES })];
  const api = await startApi(inject('redisUrl'), { keys, env, overrides });
  onTestFinished(() => api.close());
  await publishRealCatalogue(api);
  return { api, anna: clientOf(api, 'anna'), bert: clientOf(api, 'bert') };
}

export function clientOf({ url }: Pick<TestApi, 'url'>, key: string): ComfyuiClient {
  const base = `${url}/comfyui/k/${key}`;
  const answered = async (answer: Response) => {
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.json() as Promise<never>;
  };
  const post: ComfyuiClient['post'] = (path, body, headers = {}) =>
    fetch(base + path, { method: 'POST', headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return {
    base,
    get: async (path) => answered(await fetch(base + path)),
    post,
    prompt: async (graph, more = {}) => answered(await post('/prompt', { prompt: graph, ...more })),
    upload: (name, bytes, fields = {}, path = '/upload/image') => {
      const form = new FormData();
      for (const [field, value] of Object.entries(fields)) form.set(field, value);
      form.set('image', new Blob([Buffer.from(bytes)]), name);
      return fetch(base + path, { method: 'POST', body: form });
    },
  };
}

/** Claims and starts the next job, as a worker does. */
export async function begun(api: TestApi): Promise<Claim> {
  const claim = await api.claim();
  const promptId = newId();
  await claim.submit(promptId, 'gpu-1/1');
  await claim.start(promptId);
  return claim;
}
