import type { Job } from '@comfy-fleet/contracts';
import type { ReceivedWebhook } from '@comfy-fleet/testing';
import { Webhook } from 'standardwebhooks';
import type { Call } from '../evidence/evidence.js';
import type { ReceiverAnswer } from '../orders/plan-callback.js';
import type { PlannedJob } from '../orders/plan-orders.js';

interface Message {
  readonly type?: string;
  readonly timestamp?: string;
  readonly data?: Partial<Job>;
}

/** What a call of the receiver says, and whether everybody who knows one of the job's secrets would believe it. */
export function readCall(webhook: ReceivedWebhook, job: PlannedJob | undefined, answer: ReceiverAnswer): Call {
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
