import { type ReceivedWebhook, type SinkAnswer, startWebhookSink } from '@comfy-fleet/testing';
import type { Call } from '../evidence/evidence.js';
import type { ReceiverAnswer } from '../orders/plan-callback.js';
import type { PlannedJob } from '../orders/plan-orders.js';
import { readCall } from './calls.js';

/** Where the webhooks of all jobs go. It answers as each job's plan says and remembers every call. */
export interface Receiver {
  readonly url: string;
  /** In the order of their coming. */
  readonly calls: readonly Call[];
  close(): Promise<void>;
}

/** `strike` is called with the ms after which every dispatcher is to be killed, as planned. */
export async function startReceiver(jobs: readonly PlannedJob[], strike: (afterMs: number) => void): Promise<Receiver> {
  const byTag = new Map(jobs.map((job) => [job.tag, job]));
  const calls: Call[] = [];
  /** By `webhook-id`: a tag has two jobs when a post without Idempotency-Key was repeated. */
  const counts = new Map<string, number>();
  const sink = await startWebhookSink();
  sink.answer((webhook) => {
    const job = byTag.get(webhook.path.slice(1));
    const answer = job === undefined ? { status: 404 } : nextAnswer(job, webhook);
    calls.push(readCall(webhook, job, answer));
    return toSink(answer);
  });
  return { url: sink.url, calls, close: () => sink.close() };

  function nextAnswer({ callback }: PlannedJob, { headers }: ReceivedWebhook): ReceiverAnswer {
    const { answers, strikeAfterMs } = callback;
    const id = `${headers['webhook-id']}`;
    const n = counts.get(id) ?? 0;
    counts.set(id, n + 1);
    if (n === answers.length - 1 && strikeAfterMs !== undefined) strike(strikeAfterMs);
    return answers[Math.min(n, answers.length - 1)] as ReceiverAnswer;
  }
}

function toSink(answer: ReceiverAnswer): SinkAnswer {
  if (typeof answer === 'string') return answer;
  const { status, delayMs, retryAfterSeconds } = answer;
  return {
    status,
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(retryAfterSeconds === undefined ? {} : { headers: { 'retry-after': `${retryAfterSeconds}` } }),
    ...(status === 204 ? {} : { body: 'noted' }),
  };
}
