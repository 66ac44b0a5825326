import type { Job } from '@comfy-fleet/contracts';
import { type ReceivedWebhook, type SinkAnswer, startWebhookSink } from '@comfy-fleet/testing';
import { Webhook } from 'standardwebhooks';
import type { Call } from '../evidence/evidence.js';
import type { PlannedJob, ReceiverAnswer } from '../orders/plan-orders.js';

/** The receiver of all webhooks. It answers as planned for each job, and records every call. */
export interface Receiver {
  readonly url: string;
  /** In the order of arrival. */
  readonly calls: readonly Call[];
  close(): Promise<void>;
}

/** `killDispatchers` is called with the delay in ms, as planned. */
export async function startReceiver(
  jobs: readonly PlannedJob[],
  killDispatchers: (afterMs: number) => void,
): Promise<Receiver> {
  const byTag = new Map(jobs.map((job) => [job.tag, job]));
  const calls: Call[] = [];
  /** Calls by `webhook-id`, because an order has several jobs if a post without Idempotency-Key was repeated. */
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
    const { answers, killAfterMs } = callback;
    const id = `${headers['webhook-id']}`;
    const n = counts.get(id) ?? 0;
    counts.set(id, n + 1);
    if (n === answers.length - 1 && killAfterMs !== undefined) killDispatchers(killAfterMs);
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

/** Parses a call and verifies its signature with each of the job's secrets. */
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
    get answeredAt() {
      return webhook.answeredAt;
    },
  };
}

/** All secrets with which the job's webhooks are signed. */
export function secretsOf({ caller, callback }: Pick<PlannedJob, 'caller' | 'callback'>): readonly string[] {
  return callback.secret === undefined ? caller.secrets : [callback.secret];
}

/** The error of verifying a webhook with a secret, if it fails. */
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
