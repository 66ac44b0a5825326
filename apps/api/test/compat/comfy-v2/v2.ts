import type { ApiKey } from '@comfy-fleet/contracts';
import { inject, onTestFinished } from 'vitest';
import { aKey, as, startApi, type TestApi } from '../../api.js';
import { publishRealCatalogue } from '../../runnable.js';

export const ASSETS = '/api/v2/assets';
export const JOBS = '/api/v2/jobs';

/** The specification's ErrorEnvelope. */
export interface Envelope {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>> | null;
  };
}

export interface V2Asset {
  readonly id: string;
  readonly hash: string | null;
  readonly file_path: string | null;
  readonly created_new?: boolean;
  readonly expires_at: string;
  readonly url: string;
  readonly url_expires_at: string;
}

export interface V2Job {
  readonly id: string;
  readonly status: string;
  readonly outputs: readonly { readonly id: string; readonly url: string; readonly name: string }[];
  readonly urls: { readonly self: string; readonly events: string; readonly cancel: string };
}

/** Starts the API with the keys anna and bert, both with the scope graphs, and the catalogue of a real ComfyUI. */
export async function openV2(
  more: { readonly anna?: Partial<ApiKey>; readonly env?: Record<string, string>; readonly heartbeatMs?: number } = {},
): Promise<TestApi> {
  const { anna, ...options } = more;
  const scopes = ['jobs', 'graphs'] as const;
  const keys = [aKey('anna', { scopes: [...scopes], ...anna }), aKey('bert', { scopes: [...scopes] })];
  const api = await startApi(inject('redisUrl'), { keys, ...options });
  onTestFinished(() => api.close());
  await publishRealCatalogue(api);
  return api;
}

/** Sends a graph as anna, or as another key. */
export const order = (api: TestApi, workflow: unknown, more: object = {}, headers: Record<string, string> = {}) =>
  api.post(JOBS, { workflow, ...more }, { headers: { ...as('anna').headers, ...headers } });

export async function ordered(api: TestApi, workflow: unknown, key = 'anna'): Promise<V2Job> {
  const answer = await order(api, workflow, {}, as(key).headers);
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as V2Job;
}

/** The status of an error response, and the code and details of its error. */
export async function refusal(answer: Response): Promise<[status: number, code: string, details: unknown]> {
  const { error } = (await answer.json()) as Envelope;
  return [answer.status, error.code, error.details];
}

/** Parts of a form in the order in which they are sent. */
type Parts = readonly (readonly [name: string, value: string | Blob])[];

export const upload = (api: TestApi, parts: Parts, { key = 'anna', headers = {} as Record<string, string> } = {}) => {
  const form = new FormData();
  for (const [name, value] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, 'upload.bin');
  }
  return api.get(ASSETS, { method: 'POST', body: form, headers: { ...as(key).headers, ...headers } });
};

/** Uploads bytes under a name, with the fields before the file, as the SDKs do. */
export async function uploaded(api: TestApi, name: string, data: Buffer, key = 'anna'): Promise<V2Asset> {
  const parts: Parts = [
    ['content_type', 'image/png'],
    ['file_path', name],
    ['file', new Blob([new Uint8Array(data)])],
  ];
  const answer = await upload(api, parts, { key });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as V2Asset;
}

export const reference = (id: string, more: object = {}) => ({ __type: 'core/ASSET', info: { id, ...more } });
