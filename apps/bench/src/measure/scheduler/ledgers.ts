import { type Asker, type ClaimSource, createLedger, createWorkerLedger, type Ledger } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { filesInMemory, redisSettings, until } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import { POOL } from './orders.js';

/** An instance that can run every job and has all models in memory. */
export const HOLDS_ALL: Asker = { name: 'bench/1', fit: () => 0 };

const MOST_JOBS = 10_000_000;
const JOB_TTL_SECONDS = 3600;

export interface Ledgers {
  readonly ledger: Ledger;
  readonly source: ClaimSource;
  /** Holds at the latest when all claims were finished or let go. */
  close(): Promise<void>;
}

/** Where jobs are made and where they are claimed, as an API and a worker have it. */
export async function openLedgers(scope: Scope, url: string, prefix: string): Promise<Ledgers> {
  const log = createLogger({ service: 'bench', level: 'error', stream: process.stderr });
  const redis = redisSettings({ url, prefix });
  const files = filesInMemory();
  const ledger = createLedger({
    redis,
    files,
    keyJobBytes: Number.MAX_SAFE_INTEGER,
    maxOpenJobs: MOST_JOBS,
    jobTtlSeconds: JOB_TTL_SECONDS,
    idempotencyTtlSeconds: JOB_TTL_SECONDS,
    signedUrlSeconds: JOB_TTL_SECONDS,
    maxWorkflowVersions: 20,
    assetTtlSeconds: JOB_TTL_SECONDS,
    log,
  });
  scope.onClose(() => ledger.close());
  const worker = createWorkerLedger({
    redis,
    files,
    worker: 'bench',
    jobTtlSeconds: JOB_TTL_SECONDS,
    maxWorkerDeaths: 3,
    maxOvertakes: 100,
    modelPatienceMs: 30_000,
    timelineEntries: 720,
    lockMs: 60_000,
    stalledCheckMs: 30_000,
    keptWorkItems: 1000,
    announceSeconds: 5,
    log,
  });
  scope.onClose(() => worker.close());
  const answers = () =>
    ledger.ping().then(
      () => true,
      () => false,
    );
  await until('the ledger answers', answers);
  const source = await worker.claims(POOL);
  return { ledger, source, close: () => source.close() };
}
