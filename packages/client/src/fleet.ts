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
    Pick<GenerateRequest, 'lod' | 'priority' | 'start_within_seconds' | 'metadata' | 'webhook' | 'webhook_url'> {
  /** Files by the names of their inputs: they are uploaded as assets first. */
  readonly files?: Readonly<Record<string, FileContent>>;
  /** Names of the outputs that are wanted; all by default. */
  readonly outputs?: readonly string[];
  readonly api_key_comfy_org?: string;
  /** Of the workflow, instead of the newest. */
  readonly version?: string;
}

export interface PastOptions extends Abortable {
  /** 1 to 60. */
  readonly minutes?: number;
}

/** A fleet of ComfyUIs: makes jobs, and finds them again. */
export class Fleet {
  readonly jobs: Jobs;
  readonly assets: Assets;
  /** To publish workflows. */
  readonly registry: Registry;
  readonly halts: Halts;
  readonly #transport: Transport;

  constructor(options: FleetOptions = {}) {
    this.#transport = createTransport(options);
    this.jobs = createJobs(this.#transport);
    this.assets = createAssets(this.#transport);
    this.registry = createRegistry(this.#transport);
    this.halts = createHalts(this.#transport);
  }

  /** Where it is. */
  get url(): string {
    return this.#transport.urlOf('').href.replace(/\/$/, '');
  }

  /** Text to image. */
  generate(request: GenerateRequest, options: OrderOptions = {}): Promise<JobHandle> {
    return this.#order('/generate', { json: request }, options);
  }

  /** Image to image, from a file, or from what the request names by `image`, `image_url` or `source`. */
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

  /** Runs a workflow by its name, with inputs as `workflow(name)` describes them. */
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

  /** Runs a graph in ComfyUI's API format once, as it is. */
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

  /** Many jobs at once, all or none; their ids, in the order of the request. */
  async batch(
    jobs: BatchRequest['jobs'],
    { idempotencyKey: key, ...options }: OrderOptions = {},
  ): Promise<readonly string[]> {
    const wish = { ...options, method: 'POST', json: { jobs }, headers: idempotencyKey(key) } as const;
    const { data } = await this.#transport.json<BatchAnswer>('/jobs/batch', wish);
    return data.map(({ id }) => id);
  }

  async workflows(options?: Abortable): Promise<WorkflowList['data']> {
    return (await this.#transport.json<WorkflowList>('/workflows', options)).data;
  }

  /** What a workflow is, its inputs as JSON Schema, and who can run it. */
  workflow(name: string, options?: Abortable): Promise<Workflow> {
    return this.#transport.json<Workflow>(`/workflows/${encodeURIComponent(name)}`, options);
  }

  /** The levels of detail. */
  lods(options?: Abortable): Promise<LodList> {
    return this.#transport.json<LodList>('/lods', options);
  }

  /** Who one is here, and what one may do. */
  me(options?: Abortable): Promise<Me> {
    return this.#transport.json<Me>('/me', options);
  }

  /** What one's key used, by day; for keys with the scope admin also what another one did. */
  usage({ days, key, ...options }: Abortable & { readonly days?: number; readonly key?: string } = {}): Promise<Usage> {
    const path = key === undefined ? '/usage' : `/usage/keys/${encodeURIComponent(key)}`;
    return this.#transport.json<Usage>(path, { ...options, query: { days } });
  }

  /** One page of what each key used. For keys with the scope admin. */
  usageOfKeys({
    days,
    limit,
    cursor,
    ...options
  }: Abortable & PageOptions & { readonly days?: number } = {}): Promise<KeyUsageList> {
    return this.#transport.json<KeyUsageList>('/usage/keys', { ...options, query: { days, limit, cursor } });
  }

  /** One page of the API keys, as they may be shown. For keys with the scope admin. */
  keys({ limit, cursor, ...options }: Abortable & PageOptions = {}): Promise<KeyList> {
    return this.#transport.json<KeyList>('/keys', { ...options, query: { limit, cursor } });
  }

  /** How the fleet is: pools, workers and their instances, and what each key has of them. For keys with the scope admin. */
  status(options?: Abortable): Promise<FleetStatus> {
    return this.#transport.json<FleetStatus>('/fleet', options);
  }

  /** What each instance executed within the last minutes, 60 unless said. For keys with the scope admin. */
  timeline({ minutes, ...options }: PastOptions = {}): Promise<FleetTimeline> {
    return this.#transport.json<FleetTimeline>('/fleet/timeline', { ...options, query: { minutes } });
  }

  /** Samples of the queue, the throughput and the GPU time within the last minutes. For keys with the scope admin. */
  history({ minutes, ...options }: PastOptions = {}): Promise<FleetHistory> {
    return this.#transport.json<FleetHistory>('/fleet/history', { ...options, query: { minutes } });
  }

  /** The alerts that stand now. For keys with the scope admin. */
  alerts(options?: Abortable): Promise<FleetAlerts> {
    return this.#transport.json<FleetAlerts>('/fleet/alerts', options);
  }

  async #order(
    path: string,
    content: { readonly json: unknown } | { readonly body: FormData },
    { idempotencyKey: key, ...options }: OrderOptions,
  ): Promise<JobHandle> {
    const wish = { ...options, ...content, method: 'POST', headers: idempotencyKey(key) } as const;
    return new JobHandle(this.#transport, await this.#transport.json<Job>(path, wish));
  }
}

/** One pool alone; without it, the whole fleet. */
export interface PauseOptions extends Abortable {
  readonly pool?: string;
}

/** An operator's brakes; for keys with the scope admin. Each change may be repeated, and answers everything that is halted. */
export interface Halts {
  /** What is paused and what is drained. */
  get(options?: Abortable): Promise<AdminStatus>;
  /** Has workers claim nothing. */
  pause(options?: PauseOptions): Promise<AdminStatus>;
  /** Ends a pause. */
  resume(options?: PauseOptions): Promise<AdminStatus>;
  /** Has an instance, by its name `<worker>/<n>`, be given no more prompts. */
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
