import type { Job } from '@comfy-fleet/contracts';
import { type ReceivedWebhook, type SinkAnswer, startWebhookSink } from '@comfy-fleet/testing';
import { Webhook } from 'standardwebhooks';
import type { Call } from '../evidence/evidence.js';
import type { PlannedJob, ReceiverAnswer } from '../orders/plan-orders.js';

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

interface Message {
  readonly type?: string;
  readonly timestamp?: string;
  readonly data?: Partial<Job>;
}

/** What a call of the receiver says, and whether everybody who knows one of the job's secrets would believe it. */
function readCall(webhook: ReceivedWebhook, job: PlannedJob | undefined, answer: ReceiverAnswer): Call {
  const { at, path, headers, body } = webhook;
  const { type, timestamp, data } = readMessage(body);
  return {
    at,
    tag: path.slice(1),
    webhookId: `${headers['webhook-id']}`,
    timestampSeconds: Number(headers['webhook-timestamp']),
    signatureFaults: job === undefined ? ['nobody'] : secretsOf(job).flatMap((secret) => faultOf(secret, webhook)),
    type,
    endedAt: timestamp,
    jobId: data?.id,
    status: data?.status,
    sha256s: (data?.outputs ?? []).map(({ sha256 }) => sha256),
    answer,
  };
}

/** Those with which the job's webhooks are signed, every one of them. */
export function secretsOf({ caller, callback }: Pick<PlannedJob, 'caller' | 'callback'>): readonly string[] {
  return callback.secret === undefined ? caller.secrets : [callback.secret];
}

/** Why a receiver who knows this secret would not believe it. */
function faultOf(secret: string, { headers, body }: ReceivedWebhook): string[] {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
    return [];
  } catch (error) {
    return [String(error)];
  }
}

function readMessage(body: string): Message {
  try {
    return JSON.parse(body) as Message;
  } catch {
    return {};
  }
}
