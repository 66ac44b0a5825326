import type { ResolvedRequest } from '@comfy-fleet/contracts';
import {
  type Asker,
  type Claim,
  type ClaimSource,
  createLedger,
  createWorkerLedger,
  type JobShare,
  type Ledger,
  type NewJob,
  type NewOrder,
} from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { filesInMemory, redisSettings, until } from '@comfy-fleet/testing';
import { inParallel, type Scope } from '../../lib/scope.js';
import type { Scheduler, SimulatedJob } from './simulation.js';

const ORDERS_AT_ONCE = 4;

/** The scheduler of the service. */
export async function ledgerScheduler(
  scope: Scope,
  {
    url,
    prefix,
    weights,
  }: { readonly url: string; readonly prefix: string; readonly weights: ReadonlyMap<string, number> },
): Promise<Scheduler> {
  const { ledger, source, charge, close } = await openLedgers(scope, url, prefix);
  const held = new Map<string, Claim>();
  scope.onClose(async () => {
    for (const claim of held.values()) claim.letGo();
    await close();
  });
  return {
    submit: (jobs) => {
      const orders = ordersOf(jobs, weights);
      return inParallel(orders.length, ORDERS_AT_ONCE, async (index) => {
        const order = orders[index];
        if (order !== undefined) await ledger.orders.create(order);
      });
    },
    claim: async () => {
      const claim = await source.nextFor(HOLDS_ALL);
      if (claim === undefined || claim === 'left') return undefined;
      held.set(claim.record.id, claim);
      return claim.record.id;
    },
    // Redis has a clock of its own, so what a job has used cannot be read from it.
    use: (jobs, ms) => charge(jobs.map(({ id, key }) => ({ id, key, pool: POOL, ms }))),
    end: async ({ id }) => {
      await held.get(id)?.finish({ status: 'succeeded', outputs: [], executedMs: 0 });
      held.delete(id);
    },
  };
}

/** An instance that can run every job and has all models loaded. */
export const HOLDS_ALL: Asker = { name: 'bench/1', fit: () => 0 };

const MOST_JOBS = 10_000_000;
const JOB_TTL_SECONDS = 3600;

export interface Ledgers {
  readonly ledger: Ledger;
  readonly source: ClaimSource;
  /** Charges jobs for GPU time. */
  readonly charge: (shares: readonly JobShare[]) => Promise<void>;
  /** Resolves when all claims were finished or released. */
  close(): Promise<void>;
}

/** Opens the ledger of an API, to create jobs, and that of a worker, to claim them. */
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
    lockMs: 60_000,
    stalledCheckMs: 30_000,
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
  return { ledger, source, charge: worker.encodeAhead.charge, close: () => source.close() };
}

export const POOL = 'default';
const MOST_IN_ORDER = 1000;
const START_WITHIN_MS = 86_400_000;
const PROMPT = 'a lighthouse in a storm at night, oil on canvas, heavy clouds, one ship far out at sea, warm light, 4';

/** Groups jobs into orders of their keys, each in the order of arrival. */
export function ordersOf(jobs: readonly SimulatedJob[], weights: ReadonlyMap<string, number>): NewOrder[] {
  const byKey = new Map<string, NewJob[][]>();
  for (const job of jobs) {
    const orders = byKey.get(job.key) ?? [];
    byKey.set(job.key, orders);
    const last = orders.at(-1);
    if (last === undefined || last.length >= MOST_IN_ORDER) orders.push([newJob(job)]);
    else last.push(newJob(job));
  }
  return [...byKey].flatMap(([caller, orders]) =>
    orders.map((jobs) => ({ jobs, caller, weight: weights.get(caller) ?? 1 })),
  );
}

/** The job that POST /generate creates for a prompt of 100 characters. */
function newJob({ id, lod, priority }: SimulatedJob): NewJob {
  const request: ResolvedRequest = {
    workflow: 'text2img',
    version: '',
    lod,
    inputs: {
      prompt: PROMPT,
      negative_prompt: '',
      steps: 20,
      cfg: 5,
      sampler: 'euler_ancestral',
      scheduler: 'normal',
      seed: '1234567890123',
      width: 1024,
      height: 1024,
      count: 1,
      checkpoint: 'sd_xl_base_1.0.safetensors',
      denoise: 1,
    },
    priority,
    metadata: {},
  };
  return { id, kind: 'text2img', request, pool: POOL, startWithinMs: START_WITHIN_MS };
}
