import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal, type Job } from '@comfy-fleet/contracts';
import type { Order } from '../orders/plain-orders.js';
import type { Caller } from '../orders/plan-orders.js';
import type { Post } from './load.js';
import { listen, type Visit, Visits } from './visits.js';

/** Simulated users, and what they have done and seen. */
export interface Crowd {
  readonly visits: readonly Visit[];
  readonly posts: readonly Post[];
  /** The orders that were posted. */
  readonly orders: readonly Order[];
  /** The number of jobs whose users saw their end. */
  readonly followed: number;
  readonly reconnects: number;
  readonly cuts: number;
  /** Stops new orders, and resolves when all users are done. */
  leave(): Promise<void>;
}

export interface CrowdOptions {
  readonly apiUrl: string;
  readonly receiverUrl: string;
  /** PNGs, as base64. */
  readonly pictures: readonly string[];
  readonly orders: readonly Order[];
  readonly callers: readonly Caller[];
}

const POLL_MS = 300;
const WAIT_SECONDS = 20;
/** How long a user waits for the end of a job. */
const PATIENCE_MS = 180_000;
/** How many users follow jobs at a time. Further ones come later, so that a slow machine is not flooded. */
const MOST_PRESENT = 60;
/** How often each caller requests the list of jobs. */
const LIST_MS = 100;

/** Starts users who post, follow and download until they have to leave. They never retry a request. */
export function startCrowd({ apiUrl, receiverUrl, pictures, orders, callers }: CrowdOptions): Crowd {
  const visits = new Visits(apiUrl);
  const posts: Post[] = [];
  const posted: Order[] = [];
  const seen = { followed: 0, reconnects: 0, cuts: 0 };
  let present = 0;
  const leaving = new AbortController();
  const lives: Promise<void>[] = callers.map(({ key }) => watchList(key));
  const arrivals = arrive();

  async function arrive(): Promise<void> {
    for (const order of orders) {
      await delay(order.afterMs);
      while (present >= MOST_PRESENT && !leaving.signal.aborted) await delay(POLL_MS);
      if (leaving.signal.aborted) return;
      posted.push(order);
      present += 1;
      lives.push(
        lifeOf(order).finally(() => {
          present -= 1;
        }),
      );
    }
  }

  async function lifeOf(order: Order): Promise<void> {
    const { key } = order.caller;
    const question = { method: 'POST', key, body: bodyOf(order) };
    const answer = await visits.ask(order.path.slice(1), order.path, question, 202);
    const job = answer.status === 202 ? (answer.body as Job) : undefined;
    posts.push({ ...answer, tag: order.tag, jobId: job?.id });
    if (job === undefined) return;
    const ended = await follow(order, job.id);
    if (ended === undefined) return;
    seen.followed += 1;
    for (const { url } of ended.outputs) await visits.ask('output', url, { method: 'GET' }, 200);
    for (const { image_url } of ended.images) await visits.ask('picture', image_url, { method: 'GET' }, 200);
  }

  function bodyOf({ tag, body, picture, upload }: Order): object {
    const whole = { ...body, webhook_url: `${receiverUrl}/${tag}` };
    const png = picture === undefined ? undefined : pictures[picture];
    if (png === undefined) return whole;
    if (upload === 'base64') return { ...whole, image: png };
    const form = new FormData();
    for (const [name, value] of Object.entries(whole)) {
      form.set(name, typeof value === 'object' ? JSON.stringify(value) : `${value}`);
    }
    form.set('image', new Blob([Buffer.from(png, 'base64')], { type: 'image/png' }), `${tag}.png`);
    return form;
  }

  async function follow({ following, caller: { key } }: Order, id: string): Promise<Job | undefined> {
    if (following === 'listen') {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const { job, reconnects, cuts } = await listen({
        url: `${apiUrl}/jobs/${id}/events`,
        key,
        visits: visits.list,
        signal,
      });
      seen.reconnects += reconnects;
      seen.cuts += cuts;
      return job;
    }
    const path = following === 'wait' ? `/jobs/${id}?wait=${WAIT_SECONDS}` : `/jobs/${id}`;
    const question = { method: 'GET', key, deadlineMs: (WAIT_SECONDS + 10) * 1000 };
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      const { status, body } = await visits.ask(following, path, question, 200);
      if (status !== 200) return undefined;
      if (isTerminal((body as Job).status)) return body as Job;
      await delay(POLL_MS);
    }
    return undefined;
  }

  async function watchList(key: string): Promise<void> {
    while (!leaving.signal.aborted) {
      await visits.ask('list', '/jobs?limit=5', { method: 'GET', key }, 200);
      await delay(LIST_MS);
    }
  }

  return {
    visits: visits.list,
    posts,
    orders: posted,
    get followed() {
      return seen.followed;
    },
    get reconnects() {
      return seen.reconnects;
    },
    get cuts() {
      return seen.cuts;
    },
    leave: async () => {
      leaving.abort();
      await arrivals;
      await Promise.all(lives);
    },
  };
}
