import type { Job, WebhookDelivery } from '@comfy-fleet/contracts';
import type { PlantedFault } from '../chaos/disturb.js';
import type { ChaosSettings } from '../chaos/settings.js';
import type { PlannedJob, ReceiverAnswer } from '../orders/plan-orders.js';
import type { Cancel, Post } from '../people/load.js';
import type { Outage } from '../stack/trial-process.js';
import type { JobHistory } from './redis-history.js';

/** One prompt that a simulator executed, from its journal. Times are ms since 1970. */
export interface Execution {
  /** Named as its instance is. */
  readonly simulator: string;
  readonly pid: number;
  readonly promptId: string;
  readonly startedAt: number;
  /** Undefined: the simulator did not live to see its end. */
  readonly endedAt: number | undefined;
  readonly outcome: 'success' | 'error' | 'interrupted' | 'lost' | undefined;
}

/** A file that a job names, as it was downloaded. */
export interface Download {
  readonly jobId: string;
  readonly url: string;
  readonly status: number | undefined;
  readonly etag: string | undefined;
  readonly contentType: string | undefined;
  readonly sha256: string;
  readonly bytes: number;
  /** From decoding all of it; undefined when it cannot be read as a PNG. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
}

/** One call of the receiver of webhooks: what it said, and how it was answered. */
export interface Call {
  /** When it was whole. ms since 1970. */
  readonly at: number;
  /** Of the job, from the path that was called. */
  readonly tag: string;
  readonly webhookId: string;
  readonly timestampSeconds: number;
  /** Why a receiver would not believe it; one entry for each of the job's secrets with which the signature is not right. */
  readonly signatureFaults: readonly string[];
  readonly type: string | undefined;
  /** The message's timestamp. */
  readonly endedAt: string | undefined;
  readonly jobId: string | undefined;
  readonly status: string | undefined;
  /** Of the outputs it names. */
  readonly sha256s: readonly string[];
  readonly answer: ReceiverAnswer;
}

/** All that was seen of a run from outside, after it has come to rest. The checks read nothing else. */
export interface Evidence {
  readonly settings: ChaosSettings;
  /** What was ordered. */
  readonly orders: readonly PlannedJob[];
  readonly posts: readonly Post[];
  readonly cancels: readonly Cancel[];
  /** What `GET /jobs/:id` says of every job that was accepted or has a record; undefined: nothing. */
  readonly jobs: ReadonlyMap<string, Job | undefined>;
  readonly histories: readonly JobHistory[];
  /** In the order of their coming. */
  readonly calls: readonly Call[];
  /** What `GET /jobs/:id/webhooks` says of every job; undefined: nothing. */
  readonly deliveries: ReadonlyMap<string, WebhookDelivery | undefined>;
  /** Callbacks that no dispatcher took out of the outbox. */
  readonly leftInOutbox: number;
  readonly executions: readonly Execution[];
  readonly downloads: readonly Download[];
  /** Names under the frames volume, folders included in the name. */
  readonly frameFiles: readonly string[];
  /** Prompts that are still in a simulator's queue, by simulator. */
  readonly leftInQueues: ReadonlyMap<string, number>;
  readonly outages: readonly Outage[];
  readonly faults: readonly PlantedFault[];
  /** What processes did that nobody asked of them, and what they printed. */
  readonly processes: readonly { readonly name: string; readonly troubles: readonly string[]; readonly log: string }[];
  readonly gatheredAt: number;
}

/** Something that must never happen, and did. */
export interface Breach {
  readonly what: string;
  /** Whose log lines help. */
  readonly jobId?: string;
}

export interface Finding {
  /** Lines of the table: what was counted, and how much of it. */
  readonly rows: readonly (readonly [string, number | string])[];
  readonly breaches: readonly Breach[];
}

/** Judges one promise by the evidence alone. */
export type Check = (evidence: Evidence) => Finding;
