import { createHmac, randomBytes } from 'node:crypto';
import { FleetError, type WebhookAttempt } from '@comfy-fleet/contracts';
import type { SafeHttp } from '@comfy-fleet/safe-http';
import { callInSpan } from '@comfy-fleet/telemetry';
import { presentJob } from '../record/present-job.js';
import type { DueDelivery, TryResult } from './delivery-queue.js';

export interface DeliveryTools {
  readonly http: Pick<SafeHttp, 'post'>;
  /** The secrets that sign the webhooks of an API key. If there are none, webhooks are unsigned. */
  readonly secretsOf: (key: string) => readonly string[];
  /** Signs the paths in the body that can be opened without a key; undefined if there are no keys. */
  readonly signing: ((key: string) => Promise<(path: string) => string>) | undefined;
  /** Whether this API key exists and is not revoked. */
  readonly hasKey: (key: string) => boolean;
  readonly publicUrl: string | undefined;
  readonly timeoutMs: number;
  /** How many ms to wait after each failed attempt. */
  readonly retryDelaysMs: readonly number[];
}

/** How many bytes of the receiver's answer are kept, as JSON. */
const MAX_ANSWER_BYTES = 1024;
const REVOKED = 'The API key of this job has been revoked: nothing was sent.';
/** The receiver asks us to stop: the endpoint is gone. */
const GONE = 410;
/** The statuses that may come with Retry-After. */
const BUSY: readonly number[] = [429, 503];

/**
 * Makes one attempt to deliver a webhook: signs and posts it, and returns the result and when to try again. Rejects
 * only if the signal aborts, or if something fails that is not the receiver's fault; that does not count as an attempt.
 */
export async function deliver(due: DueDelivery, tools: DeliveryTools, signal: AbortSignal): Promise<TryResult> {
  const { id, webhook, snapshot, failedTries } = due;
  if (!tools.hasKey(snapshot.record.key)) {
    const attempt = { ...attemptAt(new Date(), 0), answer: REVOKED };
    // While a key is replaced, it is missing for a moment.
    return { attempt, retryInMs: failedTries === 0 ? retryDelayMs(1, { delaysMs: tools.retryDelaysMs }) : undefined };
  }
  const body = await writeBody(due, tools);
  const secrets = webhook.secret === undefined ? tools.secretsOf(snapshot.record.key) : [webhook.secret];
  const at = new Date();
  const headers = headersOf(id, Math.floor(at.getTime() / 1000), body, secrets);
  const start = performance.now();
  const elapsedMs = () => Math.round(performance.now() - start);
  const again = (retryAfter?: string) => retryDelayMs(failedTries + 1, { delaysMs: tools.retryDelaysMs, retryAfter });
  try {
    const { timeoutMs } = tools;
    // The trace ends here. Its id means nothing to other systems, so it is not sent.
    const answer = await callInSpan(spanOf(due), () =>
      tools.http.post(webhook.url, { body, headers, timeoutMs, maxAnswerBytes: MAX_ANSWER_BYTES, signal }),
    );
    const { status } = answer;
    const delivered = status >= 200 && status <= 299;
    // If there are keys, callers must not read answers of services inside the operator's network.
    const kept = answer.isPublic || tools.signing === undefined ? cutAnswer(answer.answer) : '';
    const attempt = { ...attemptAt(at, elapsedMs()), status, answer: kept, delivered };
    if (delivered || status === GONE) return { attempt, retryInMs: undefined };
    return { attempt, retryInMs: again(BUSY.includes(status) ? answer.retryAfter : undefined) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FleetError)) throw error;
    const attempt = { ...attemptAt(at, elapsedMs()), answer: error.detail };
    // A refused URL will be refused again. The operator can allow it and request a redelivery.
    return { attempt, retryInMs: error.code === 'url_not_allowed' ? undefined : again() };
  }
}

/** JSON writes a control character as six bytes. */
function cutAnswer(answer: string): string {
  let [bytes, kept] = [0, ''];
  for (const char of answer) {
    bytes += Buffer.byteLength(JSON.stringify(char)) - '""'.length;
    if (bytes > MAX_ANSWER_BYTES) break;
    kept += char;
  }
  return kept;
}

/**
 * The body is the same for every attempt, except for signatures of URLs: its timestamp is the end of the job, and the
 * job no longer changes.
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

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/**
 * The `webhook-signature` of Standard Webhooks: HMAC-SHA256 of `<id>.<timestamp>.<body>`, one signature for each secret
 * (`whsec_` and base64), separated by spaces. With several secrets, the receiver may know any of them during a
 * rotation.
 */
export function sign(secrets: readonly string[], id: string, timestampSeconds: number, body: string): string {
  const signed = `${id}.${timestampSeconds}.${body}`;
  return secrets.map((secret) => `v1,${createHmac('sha256', keyOf(secret)).update(signed).digest('base64')}`).join(' ');
}

/** Creates a secret in the form of Standard Webhooks. */
export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice(PREFIX.length), 'base64');
}

const SECOND = 1000;
const HOUR = 3600 * SECOND;

/**
 * The longest time by which a receiver can postpone an attempt. It can postpone each one, and the job's record is kept
 * meanwhile.
 */
const MAX_RETRY_AFTER_MS = 24 * HOUR;
/** The shortest time, so that a receiver that answers 0 does not use up its attempts in a moment. */
const MIN_RETRY_AFTER_MS = SECOND;
/** Random variation, so that webhooks that failed together do not return together. */
const JITTER = 0.2;

interface RetryOptions {
  /** The delay after each failed attempt that is followed by another one. */
  readonly delaysMs: readonly number[];
  /** The header, if the status was one of BUSY. */
  readonly retryAfter?: string | undefined;
  /** A random number from 0 to 1. */
  readonly random?: () => number;
}

/**
 * How many ms to wait before the next attempt after `failed` failures; undefined if there is no other attempt. A
 * planned delay varies by up to 20 %; one that the receiver asked for only gets longer.
 */
export function retryDelayMs(
  failed: number,
  { delaysMs, retryAfter, random = Math.random }: RetryOptions,
): number | undefined {
  const planned = delaysMs[failed - 1];
  if (planned === undefined) return undefined;
  const asked = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter);
  if (asked === undefined) return Math.round(planned * (1 + JITTER * (2 * random() - 1)));
  const bounded = Math.min(Math.max(asked, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
  return Math.round(bounded * (1 + JITTER * random()));
}

/** Parses Retry-After (RFC 9110): whole seconds or an HTTP date. Returns ms from now; undefined if it is neither. */
function parseRetryAfter(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * SECOND;
  const time = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - Date.now());
}
