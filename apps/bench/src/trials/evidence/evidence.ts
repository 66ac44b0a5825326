import type { Job, WebhookDelivery } from '@comfy-fleet/contracts';
import type { PlantedFault } from '../chaos/disturb.js';
import type { ChaosSettings } from '../chaos/settings.js';
import type { PlannedJob, ReceiverAnswer } from '../orders/plan-orders.js';
import type { Cancel, Post } from '../people/load.js';
import type { Outage } from '../stack/trial-process.js';
import type { JobHistory } from './redis-history.js';

/** One prompt that a simulator executed, from its journal. Times are ms since 1970. */
export interface Execution {
  /** The name of its instance. */
  readonly simulator: string;
  readonly pid: number;
  readonly promptId: string;
  readonly startedAt: number;
  /** Undefined if the simulator died before the end. */
  readonly endedAt: number | undefined;
  readonly outcome: 'success' | 'error' | 'interrupted' | 'lost' | undefined;
}

/** The download of a file that a job names. */
export interface Download {
  readonly jobId: string;
  readonly url: string;
  readonly status: number | undefined;
  readonly etag: string | undefined;
  readonly contentType: string | undefined;
  readonly sha256: string;
  readonly bytes: number;
  /** The size of the decoded picture; undefined if it is not a valid PNG. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
}

/** One call of the webhook receiver, and its answer. */
export interface Call {
  /** When it had arrived completely, in ms since 1970. */
  readonly at: number;
  /** The tag of the order, from the path of the call. */
  readonly tag: string;
  readonly webhookId: string;
  readonly timestampSeconds: number;
  /** Why verification fails, with one entry for each of the job's secrets that does not match the signature. */
  readonly signatureFaults: readonly string[];
  readonly type: string | undefined;
  /** The message's timestamp. */
  readonly endedAt: string | undefined;
  readonly jobId: string | undefined;
  readonly status: string | undefined;
  /** The digests of the outputs in the message. */
  readonly sha256s: readonly string[];
  readonly answer: ReceiverAnswer;
  /** When the receiver answered, in ms since 1970. */
  readonly answeredAt?: number | undefined;
}

/** Everything that was observed of a run from outside, once it is idle. The checks use nothing else. */
export interface Evidence {
  readonly settings: ChaosSettings;
  /** The orders of the run. */
  readonly orders: readonly PlannedJob[];
  readonly posts: readonly Post[];
  readonly cancels: readonly Cancel[];
  /** The answers of `GET /jobs/:id` for each job that was accepted or has a record; undefined if it failed. */
  readonly jobs: ReadonlyMap<string, Job | undefined>;
  readonly histories: readonly JobHistory[];
  /** In the order of arrival. */
  readonly calls: readonly Call[];
  /** The answers of `GET /jobs/:id/webhooks` for each job; undefined if it failed. */
  readonly deliveries: ReadonlyMap<string, WebhookDelivery | undefined>;
  /** How many callbacks are still in the outbox. */
  readonly leftInOutbox: number;
  readonly executions: readonly Execution[];
  readonly downloads: readonly Download[];
  /** The paths of all files in the frames volume. */
  readonly frameFiles: readonly string[];
  /** How many prompts are still in the queue of each simulator. */
  readonly leftInQueues: ReadonlyMap<string, number>;
  readonly outages: readonly Outage[];
  readonly faults: readonly PlantedFault[];
  /** The unexpected behaviour and the output of each process. */
  readonly processes: readonly { readonly name: string; readonly troubles: readonly string[]; readonly log: string }[];
  readonly gatheredAt: number;
}

/** A broken promise. */
export interface Breach {
  readonly what: string;
  /** The job concerned, for its timeline. */
  readonly jobId?: string;
}

export interface Finding {
  /** Rows for the table: what was counted, and the number. */
  readonly rows: readonly (readonly [string, number | string])[];
  readonly breaches: readonly Breach[];
}

/** Checks one promise against the evidence. */
export type Check = (evidence: Evidence) => Finding;
