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

/** An event of a job. The last one is a `status` in which the job has ended. */
export type JobEvent =
  | { readonly type: 'status'; readonly data: Job }
  | { readonly type: 'progress'; readonly data: JobProgress }
  | { readonly type: 'preview'; readonly data: JobPreview }
  | { readonly type: 'output'; readonly data: JobOutputs };

/** The longest that the API holds back its answer while the job has not ended, in seconds. */
const HOLD_S = 60;
const ENDS: ReadonlySet<string> = new Set(['succeeded', 'failed', 'canceled', 'expired']);
/** The pause before a broken event stream is resumed. */
const RECONNECT_MS = 1_000;

/** A job of the fleet, in its last known state. */
export class JobHandle {
  readonly id: string;
  readonly #transport: Transport;
  #job: Job;

  constructor(transport: Transport, job: Job) {
    this.#transport = transport;
    this.#job = job;
    this.id = job.id;
  }

  /** The last known state. */
  get snapshot(): Job {
    return this.#job;
  }

  get status(): Job['status'] {
    return this.#job.status;
  }

  /** The outputs; empty until the job has succeeded. */
  get outputs(): readonly Output[] {
    return this.#job.outputs.map((output) => outputOf(this.#transport, output, this.#job.images));
  }

  /** Asks the API for the current state. */
  async refresh(options: Abortable = {}): Promise<Job> {
    return this.#keep(this.#transport.json<Job>(this.#path(), options));
  }

  /** Resolves when the job has succeeded; rejects with JobEndedError if it ended otherwise. */
  async wait(options: Abortable = {}): Promise<this> {
    while (!ENDS.has(this.status)) {
      await this.#keep(this.#transport.json<Job>(this.#path(), { ...options, query: { wait: HOLD_S } }));
    }
    if (this.status !== 'succeeded') throw new JobEndedError(this.#job);
    return this;
  }

  /** The events of the job from now on until its end. A broken stream is resumed. */
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

  /** Cancels the job; no effect if it has ended. */
  async cancel(options: Abortable = {}): Promise<Job> {
    return this.#keep(this.#transport.json<Job>(this.#path('cancel'), { ...options, method: 'POST' }));
  }

  /** Creates a job that refines a picture of this one at a higher level of detail. */
  refine(request: RefineRequest, options: OrderOptions = {}): Promise<JobHandle> {
    return this.#child('refine', { ...options, json: request });
  }

  /** Creates a job with the same request, and the same seed unless another is given. */
  retry({ seed, ...options }: OrderOptions & { readonly seed?: number | string | 'random' } = {}): Promise<JobHandle> {
    return this.#child('retry', { ...options, query: { seed } });
  }

  /** The delivery of its webhook. Rejects with `webhook_not_found` if the job has none. */
  webhook(options: Abortable = {}): Promise<WebhookDelivery> {
    return this.#transport.json<WebhookDelivery>(this.#path('webhooks'), options);
  }

  /** Delivers its webhook again. */
  redeliver(options: Abortable = {}): Promise<WebhookDelivery> {
    return this.#transport.json<WebhookDelivery>(this.#path('webhooks/redeliver'), { ...options, method: 'POST' });
  }

  /** Deletes the job and its files. */
  async delete(options: Abortable = {}): Promise<void> {
    await this.#transport.send(this.#path(), { ...options, method: 'DELETE' });
  }

  async #child(
    verb: 'refine' | 'retry',
    { idempotencyKey: key, ...options }: OrderOptions & Pick<RequestOptions, 'json' | 'query'>,
  ): Promise<JobHandle> {
    const request = { ...options, method: 'POST', headers: idempotencyKey(key) } as const;
    return new JobHandle(this.#transport, await this.#transport.json<Job>(this.#path(verb), request));
  }

  async #keep(asking: Promise<Job>): Promise<Job> {
    this.#job = await asking;
    return this.#job;
  }

  #path(verb?: string): string {
    return `/jobs/${this.id}${verb === undefined ? '' : `/${verb}`}`;
  }
}

/** fetch throws a TypeError if the connection breaks in the middle of a body. */
function isBroken(error: unknown): boolean {
  return error instanceof TypeError;
}
