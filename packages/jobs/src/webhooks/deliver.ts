import { FleetError, type WebhookAttempt } from '@comfy-fleet/contracts';
import type { SafeHttp } from '@comfy-fleet/safe-http';
import { callInSpan } from '@comfy-fleet/telemetry';
import { presentJob } from '../record/present-job.js';
import type { DueDelivery, TryResult } from './delivery.js';
import { retryDelayMs } from './retry-delay.js';
import { sign } from './sign.js';

export interface DeliveryTools {
  readonly http: Pick<SafeHttp, 'post'>;
  /** What signs the webhooks of an API key; empty: they go unsigned. */
  readonly secretsOf: (key: string) => readonly string[];
  /** Signs the paths in the body that are opened without a key; undefined where none needs it. */
  readonly signing: ((key: string) => Promise<(path: string) => string>) | undefined;
  /** Whether this API key is there, and not revoked. */
  readonly hasKey: (key: string) => boolean;
  readonly publicUrl: string | undefined;
  readonly timeoutMs: number;
  /** ms to wait after each failed try. */
  readonly retryDelaysMs: readonly number[];
}

/** Of the receiver's answer this much is kept. */
const MAX_ANSWER_BYTES = 1024;
const REVOKED = 'The API key of this job has been revoked: nothing was sent.';
/** The receiver asks us not to come back: the endpoint is gone. */
const GONE = 410;
/** The statuses to which Retry-After belongs. */
const BUSY: readonly number[] = [429, 503];

/**
 * One try to deliver a webhook: signs it, posts it, and says what came of it and when the next try is to be. Rejects
 * only when the signal aborts, or when something fails that is not the receiver's doing; then it was no try.
 */
export async function deliver(due: DueDelivery, tools: DeliveryTools, signal: AbortSignal): Promise<TryResult> {
  const { id, webhook, snapshot, failedTries } = due;
  if (!tools.hasKey(snapshot.record.key)) {
    const attempt = { ...attemptAt(new Date(), 0), answer: REVOKED };
    // A key that is being replaced is missing for a moment.
    return { attempt, retryInMs: failedTries === 0 ? retryDelayMs(1, { delaysMs: tools.retryDelaysMs }) : undefined };
  }
  const body = await writeBody(due, tools);
  const secrets = webhook.secret === undefined ? tools.secretsOf(snapshot.record.key) : [webhook.secret];
  const at = new Date();
  const headers = headersOf(id, Math.floor(at.getTime() / 1000), body, secrets);
  const start = performance.now();
  const took = () => Math.round(performance.now() - start);
  const again = (retryAfter?: string) =>
    retryDelayMs(failedTries + 1, {
      delaysMs: tools.retryDelaysMs,
      ...(retryAfter === undefined ? {} : { retryAfter }),
    });
  try {
    const { timeoutMs } = tools;
    // The trace ends here: its id says nothing to other people's systems, so it is not among the headers.
    const answer = await callInSpan(spanOf(due), () =>
      tools.http.post(webhook.url, { body, headers, timeoutMs, maxAnswerBytes: MAX_ANSWER_BYTES, signal }),
    );
    const { status } = answer;
    const delivered = status >= 200 && status <= 299;
    // Where there are keys, none may read what services inside the operator's network answer.
    const kept = answer.isPublic || tools.signing === undefined ? answer.answer : '';
    const attempt = { ...attemptAt(at, took()), status, answer: kept, delivered };
    if (delivered || status === GONE) return { attempt, retryInMs: undefined };
    return { attempt, retryInMs: again(BUSY.includes(status) ? answer.retryAfter : undefined) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FleetError)) throw error;
    const attempt = { ...attemptAt(at, took()), answer: error.detail };
    // What the guard refuses it will refuse again; the operator can allow it and have it redelivered.
    return { attempt, retryInMs: error.code === 'url_not_allowed' ? undefined : again() };
  }
}

/**
 * The same for every try, but for the signatures of the URLs in it: its time is the job's end, and the job does not
 * change any more.
 */
async function writeBody({ snapshot }: DueDelivery, { publicUrl, signing }: DeliveryTools): Promise<string> {
  const { status, finishedAt } = snapshot.record;
  return JSON.stringify({
    type: `job.${status}`,
    timestamp: new Date(finishedAt ?? 0).toISOString(),
    data: presentJob(snapshot, { publicUrl, sign: await signing?.(snapshot.record.key) }),
  });
}

function spanOf({ snapshot, webhook, failedTries }: DueDelivery) {
  const attributes = { 'comfy_fleet.job.id': snapshot.record.id, 'comfy_fleet.job.status': snapshot.record.status };
  const again = failedTries === 0 ? {} : { 'http.request.resend_count': failedTries };
  return { name: 'webhook attempt', method: 'POST', url: webhook.url, attributes: { ...attributes, ...again } };
}

function headersOf(id: string, timestamp: number, body: string, secrets: readonly string[]): Record<string, string> {
  return {
    'content-type': 'application/json',
    'user-agent': 'comfy-fleet-webhooks/1',
    'webhook-id': id,
    'webhook-timestamp': `${timestamp}`,
    ...(secrets.length === 0 ? {} : { 'webhook-signature': sign(secrets, id, timestamp, body) }),
  };
}

function attemptAt(at: Date, durationMs: number): WebhookAttempt {
  return { at: at.toISOString(), status: null, duration_ms: durationMs, answer: '', delivered: false };
}
