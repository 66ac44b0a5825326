import type {
  AdminStatus,
  BatchAnswer,
  BatchRequest,
  FleetAlerts,
  FleetHistory,
  FleetStatus,
  FleetTimeline,
  GenerateRequest,
  Img2ImgRequest,
  Job,
  KeyList,
  KeyUsageList,
  LodList,
  Me,
  Usage,
  Workflow,
  WorkflowList,
} from './api-types.js';
import { type Assets, blobOf, createAssets, type FileContent, nameOf } from './files.js';
import { JobHandle } from './job-handle.js';
import { createJobs, type Jobs, type PageOptions } from './jobs.js';
import { createModels, type Models } from './models.js';
import { createRegistry, type Registry } from './registry.js';
import {
  type Abortable,
  createTransport,
  type FleetOptions,
  idempotencyKey,
  type OrderOptions,
  type Transport,
} from './transport.js';

export interface RunOptions
  extends OrderOptions,
    Pick<
      GenerateRequest,
      'lod' | 'priority' | 'start_within_seconds' | 'reuse' | 'metadata' | 'webhook' | 'webhook_url'
    > {
  /** Files by input name. They are uploaded as assets first. */
  readonly files?: Readonly<Record<string, FileContent>>;
  /** Names of the outputs to make; default: all. */
  readonly outputs?: readonly string[];
  readonly api_key_comfy_org?: string;
  /** The version of the workflow; default: the newest. */
  readonly version?: string;
}

export interface PastOptions extends Abortable {
  /** 1 to 60. */
  readonly minutes?: number;
}

/** A client for the API of a fleet. */
export class Fleet {
  readonly jobs: Jobs;
  readonly assets: Assets;
  /** Lists and publishes workflows. */
  readonly registry: Registry;
  readonly models: Models;
  readonly halts: Halts;
  readonly #transport: Transport;

  constructor(options: FleetOptions = {}) {
    this.#transport = createTransport(options);
    this.jobs = createJobs(this.#transport);
    this.assets = createAssets(this.#transport);
    this.registry = createRegistry(this.#transport);
    this.models = createModels(this.#transport);
    this.halts = createHalts(this.#transport);
  }

  /** The address of the API. */
  get url(): string {
    return this.#transport.urlOf('').href.replace(/\/$/, '');
  }

  /** Text to image. */
  generate(request: GenerateRequest, options: OrderOptions = {}): Promise<JobHandle> {
    return this.#order('/generate', { json: request }, options);
  }

  /** Image to image, from a file or from the `image`, `image_url` or `source` of the request. */
  img2img(
    { image, ...request }: Omit<Img2ImgRequest, 'image'> & { readonly image?: FileContent | string },
    options: OrderOptions = {},
  ): Promise<JobHandle> {
    if (image === undefined || typeof image === 'string') {
      return this.#order('/img2img', { json: { ...request, image } }, options);
    }
    const body = new FormData();
    for (const [name, value] of Object.entries(request)) {
      if (value !== undefined) body.set(name, typeof value === 'object' ? JSON.stringify(value) : `${value}`);
    }
    const blob = blobOf(image);
    body.set('image', blob, nameOf(blob));
    return this.#order('/img2img', { body }, options);
  }

  /** Runs a workflow by name. `workflow(name)` describes its inputs. */
  async run(
    workflow: string,
    inputs: Readonly<Record<string, unknown>> = {},
    options: RunOptions = {},
  ): Promise<JobHandle> {
    const { files = {}, idempotencyKey: key, signal, ...fields } = options;
    const given = signal === undefined ? {} : { signal };
    const uploaded = await Promise.all(
      Object.entries(files).map(async ([input, content]) => {
        const { id } = await this.assets.upload(content, given);
        return [input, `asset:${id}`] as const;
      }),
    );
    const json = { ...fields, inputs: { ...inputs, ...Object.fromEntries(uploaded) } };
    const named = key === undefined ? {} : { idempotencyKey: key };
    return this.#order(`/workflows/${encodeURIComponent(workflow)}`, { json }, { ...given, ...named });
  }

  /** Runs a graph in ComfyUI's API format once. */
  graph(
    graph: Readonly<Record<string, unknown>>,
    { idempotencyKey: key, signal, ...fields }: Omit<RunOptions, 'files' | 'lod' | 'version'> = {},
  ): Promise<JobHandle> {
    const options = {
      ...(signal === undefined ? {} : { signal }),
      ...(key === undefined ? {} : { idempotencyKey: key }),
    };
    return this.#order('/graphs', { json: { ...fields, graph } }, options);
  }

  /** Creates several jobs, all or none. Resolves to their ids in the order of the request. */
  async batch(
    jobs: BatchRequest['jobs'],
    { idempotencyKey: key, ...options }: OrderOptions = {},
  ): Promise<readonly string[]> {
    const request = { ...options, method: 'POST', json: { jobs }, headers: idempotencyKey(key) } as const;
    const { data } = await this.#transport.json<BatchAnswer>('/jobs/batch', request);
    return data.map(({ id }) => id);
  }

  async workflows(options?: Abortable): Promise<WorkflowList['data']> {
    return (await this.#transport.json<WorkflowList>('/workflows', options)).data;
  }

  /** Describes a workflow: its inputs as JSON Schema, its outputs, and which instances can run it. */
  workflow(name: string, options?: Abortable): Promise<Workflow> {
    return this.#transport.json<Workflow>(`/workflows/${encodeURIComponent(name)}`, options);
  }

  /** The levels of detail. */
  lods(options?: Abortable): Promise<LodList> {
    return this.#transport.json<LodList>('/lods', options);
  }

  /** The caller's key, its rights and limits. */
  me(options?: Abortable): Promise<Me> {
    return this.#transport.json<Me>('/me', options);
  }

  /** The usage of the caller's key by day; keys with the scope admin may name another `key`. */
  usage({ days, key, ...options }: Abortable & { readonly days?: number; readonly key?: string } = {}): Promise<Usage> {
    const path = key === undefined ? '/usage' : `/usage/keys/${encodeURIComponent(key)}`;
    return this.#transport.json<Usage>(path, { ...options, query: { days } });
  }

  /** One page of the usage of all keys. For keys with the scope admin. */
  usageOfKeys({
    days,
    limit,
    cursor,
    ...options
  }: Abortable & PageOptions & { readonly days?: number } = {}): Promise<KeyUsageList> {
    return this.#transport.json<KeyUsageList>('/usage/keys', { ...options, query: { days, limit, cursor } });
  }

  /** One page of the API keys, without secrets. For keys with the scope admin. */
  keys({ limit, cursor, ...options }: Abortable & PageOptions = {}): Promise<KeyList> {
    return this.#transport.json<KeyList>('/keys', { ...options, query: { limit, cursor } });
  }

  /** The state of the fleet: pools, workers and their instances, and the shares of keys. For keys with the scope admin. */
  status(options?: Abortable): Promise<FleetStatus> {
    return this.#transport.json<FleetStatus>('/fleet', options);
  }

  /** What each instance executed in the last minutes (default: 60). For keys with the scope admin. */
  timeline({ minutes, ...options }: PastOptions = {}): Promise<FleetTimeline> {
    return this.#transport.json<FleetTimeline>('/fleet/timeline', { ...options, query: { minutes } });
  }

  /** Samples of queue, throughput and GPU time in the last minutes (default: 60). For keys with the scope admin. */
  history({ minutes, ...options }: PastOptions = {}): Promise<FleetHistory> {
    return this.#transport.json<FleetHistory>('/fleet/history', { ...options, query: { minutes } });
  }

  /** The active alerts. For keys with the scope admin. */
  alerts(options?: Abortable): Promise<FleetAlerts> {
    return this.#transport.json<FleetAlerts>('/fleet/alerts', options);
  }

  async #order(
    path: string,
    content: { readonly json: unknown } | { readonly body: FormData },
    { idempotencyKey: key, ...options }: OrderOptions,
  ): Promise<JobHandle> {
    const request = { ...options, ...content, method: 'POST', headers: idempotencyKey(key) } as const;
    return new JobHandle(this.#transport, await this.#transport.json<Job>(path, request));
  }
}

/** Names one pool; otherwise the whole fleet is meant. */
export interface PauseOptions extends Abortable {
  readonly pool?: string;
}

/**
 * Pauses and drains; for keys with the scope admin. Each change may be repeated, and resolves to everything that is paused or
 * drained.
 */
export interface Halts {
  /** Everything that is paused or drained. */
  get(options?: Abortable): Promise<AdminStatus>;
  /** Stops workers from claiming jobs. */
  pause(options?: PauseOptions): Promise<AdminStatus>;
  /** Ends a pause. */
  resume(options?: PauseOptions): Promise<AdminStatus>;
  /** Gives no more prompts to an instance, named `<worker>/<n>`. */
  drain(instance: string, options?: Abortable): Promise<AdminStatus>;
  /** Ends a drain. */
  resumeInstance(instance: string, options?: Abortable): Promise<AdminStatus>;
}

function createHalts(transport: Transport): Halts {
  const change = (path: string, { pool, ...options }: PauseOptions = {}) =>
    transport.json<AdminStatus>(path, { ...options, method: 'POST', query: { pool } });
  const instancePath = (name: string) => `/admin/instances/${name.split('/').map(encodeURIComponent).join('/')}`;
  return {
    get: (options) => transport.json<AdminStatus>('/admin', options),
    pause: (options) => change('/admin/pause', options),
    resume: (options) => change('/admin/resume', options),
    drain: (name, options) => change(`${instancePath(name)}/drain`, options),
    resumeInstance: (name, options) => change(`${instancePath(name)}/resume`, options),
  };
}
