import type { Job, JobOutputs, JobPreview, JobProgress, RefineRequest, WebhookDelivery } from './api-types.js';
import { JobEndedError } from './errors.js';
import { type Output, outputOf } from './files.js';
import { serverSentEvents } from './server-sent-events.js';
import {
  type Abortable,
  idempotencyKey,
  type OrderOptions,
  pause,
  type RequestOptions,
  type Transport,
} from './transport.js';

/** What happens to a job. The last one is a `status` that is an end. */
export type JobEvent =
  | { readonly type: 'status'; readonly data: Job }
  | { readonly type: 'progress'; readonly data: JobProgress }
  | { readonly type: 'preview'; readonly data: JobPreview }
  | { readonly type: 'output'; readonly data: JobOutputs };

/** Seconds that the API holds an answer back, unless the job ends before. */
const HOLD_S = 60;
const ENDS: ReadonlySet<string> = new Set(['succeeded', 'failed', 'canceled', 'expired']);
/** Between two streams of a job's events, when one broke off. */
const RECONNECT_MS = 1_000;

/** A job of the fleet, as it was when it was last heard of. */
export class JobHandle {
  readonly id: string;
  readonly #transport: Transport;
  #job: Job;

  constructor(transport: Transport, job: Job) {
    this.#transport = transport;
    this.#job = job;
    this.id = job.id;
  }

  /** As it was when it was last heard of. */
  get snapshot(): Job {
    return this.#job;
  }

  get status(): Job['status'] {
    return this.#job.status;
  }

  /** Empty until it has succeeded. */
  get outputs(): readonly Output[] {
    return this.#job.outputs.map((output) => outputOf(this.#transport, output, this.#job.images));
  }

  /** As it is now. */
  async refresh(options: Abortable = {}): Promise<Job> {
    return this.#keep(this.#transport.json<Job>(this.#path(), options));
  }

  /** Resolves when it has succeeded; rejects with JobEndedError when it ended otherwise. */
  async wait(options: Abortable = {}): Promise<this> {
    while (!ENDS.has(this.status)) {
      await this.#keep(this.#transport.json<Job>(this.#path(), { ...options, query: { wait: HOLD_S } }));
    }
    if (this.status !== 'succeeded') throw new JobEndedError(this.#job);
    return this;
  }

  /** What happens to it from now on, until its end; a stream that breaks off is taken up again. */
  async *events({ signal }: Abortable = {}): AsyncGenerator<JobEvent> {
    const given = signal === undefined ? {} : { signal };
    for (let isFirst = true; ; isFirst = false) {
      if (!isFirst) await pause(RECONNECT_MS, signal);
      const { body } = await this.#transport.send(this.#path('events'), given);
      if (body === null) return;
      try {
        for await (const { event, data } of serverSentEvents(body)) {
          const parsed = { type: event, data: JSON.parse(data) } as JobEvent;
          if (parsed.type === 'status') this.#job = parsed.data;
          yield parsed;
          if (parsed.type === 'status' && ENDS.has(parsed.data.status)) return;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (!isBroken(error)) throw error;
      }
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<JobEvent> {
    return this.events();
  }

  /** A job that has ended stays as it ended. */
  async cancel(options: Abortable = {}): Promise<Job> {
    return this.#keep(this.#transport.json<Job>(this.#path('cancel'), { ...options, method: 'POST' }));
  }

  /** A new job that goes on from a picture of this one, at another level of detail. */
  refine(request: RefineRequest, options: OrderOptions = {}): Promise<JobHandle> {
    return this.#child('refine', { ...options, json: request });
  }

  /** A new job of the same request, with the same seed unless another is asked for. */
  retry({ seed, ...options }: OrderOptions & { readonly seed?: number | string | 'random' } = {}): Promise<JobHandle> {
    return this.#child('retry', { ...options, query: { seed } });
  }

  /** What became of its webhook. Rejects with `webhook_not_found` when it has none. */
  webhook(options: Abortable = {}): Promise<WebhookDelivery> {
    return this.#transport.json<WebhookDelivery>(this.#path('webhooks'), options);
  }

  /** Delivers its webhook once more. */
  redeliver(options: Abortable = {}): Promise<WebhookDelivery> {
    return this.#transport.json<WebhookDelivery>(this.#path('webhooks/redeliver'), { ...options, method: 'POST' });
  }

  /** The job and its files are gone from the fleet. */
  async delete(options: Abortable = {}): Promise<void> {
    await this.#transport.send(this.#path(), { ...options, method: 'DELETE' });
  }

  async #child(
    verb: 'refine' | 'retry',
    { idempotencyKey: key, ...wish }: OrderOptions & Pick<RequestOptions, 'json' | 'query'>,
  ): Promise<JobHandle> {
    const asked = { ...wish, method: 'POST', headers: idempotencyKey(key) } as const;
    return new JobHandle(this.#transport, await this.#transport.json<Job>(this.#path(verb), asked));
  }

  async #keep(asking: Promise<Job>): Promise<Job> {
    this.#job = await asking;
    return this.#job;
  }

  #path(verb?: string): string {
    return `/jobs/${this.id}${verb === undefined ? '' : `/${verb}`}`;
  }
}

/** fetch says so of a connection that ends in the middle of a body. */
function isBroken(error: unknown): boolean {
  return error instanceof TypeError;
}
