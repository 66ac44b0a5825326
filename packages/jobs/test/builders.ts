import { connect } from 'node:net';
import { Writable } from 'node:stream';
import type { RedisSettings } from '@comfy-fleet/config';
import { type ErrorCode, type InstanceAnnouncement, newId, type WorkerAnnouncement } from '@comfy-fleet/contracts';
import { workerConnection } from '@comfy-fleet/redis';
import { createLogger } from '@comfy-fleet/telemetry';
import {
  claimNext,
  filesInMemory,
  pictureRequest,
  type RedisServer,
  type RequestOverrides,
  redisSettings,
  startRedisServer,
  uniquePrefix,
  until,
} from '@comfy-fleet/testing';
import type { Redis } from 'ioredis';
import { inject, onTestFinished } from 'vitest';
import { type NamedArguments, runScript, withScripts } from '../src/connection.js';
import {
  type Claim,
  type ClaimSource,
  createLedger,
  createWorkerLedger,
  type JobSnapshot,
  type JobStreamItem,
  type Ledger,
  type LedgerOptions,
  type NewJob,
  type NewOrder,
  type Outcome,
  type OutputRecord,
  type WorkerLedger,
  type WorkerLedgerOptions,
} from '../src/index.js';
import { createKeys, type Keys } from '../src/keys.js';
import type { ScriptName } from '../src/scripts.js';

export const POOL = 'default';
export const JOB_TTL_SECONDS = 3600;

export function quietLog() {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  return createLogger({ service: 'test', level: 'error', format: 'json', stream: nowhere });
}

export const aRequest = pictureRequest;

type JobOverrides = Partial<Omit<NewJob, 'request'>> & { readonly request?: RequestOverrides };
/** Fields of a job and of its order; `key` is the caller. */
export type OrderOverrides = JobOverrides & Omit<Partial<NewOrder>, 'jobs' | 'caller'> & { readonly key?: string };

export function aJob({ request, ...overrides }: JobOverrides = {}): NewJob {
  return {
    id: newId(),
    kind: 'text2img',
    request: aRequest(request),
    pool: POOL,
    startWithinMs: 3_600_000,
    ...overrides,
  };
}

/** An order of one job. */
export function anOrder(overrides: OrderOverrides = {}): NewOrder {
  const { key = 'anonymous', weight = 1, mostWaiting, reserved, mostTaken, mostGpuMs, idempotency, ...job } = overrides;
  return { jobs: [aJob(job)], caller: key, weight, mostWaiting, reserved, mostTaken, mostGpuMs, idempotency };
}

export function aFrame(jobId: string, n = 1): OutputRecord {
  return {
    name: 'image',
    nodeId: '7',
    kind: 'image',
    file: `${jobId}_${n}.png`,
    filename: `fox_0000${n}_.png`,
    width: 512,
    height: 320,
    contentType: 'image/png',
    bytes: 1234,
    sha256: 'ab'.repeat(32),
  };
}

export const succeeded = (jobId: string): Outcome => ({ status: 'succeeded', outputs: [aFrame(jobId)] });

export const failed = (code: ErrorCode = 'node_execution_error'): Outcome => ({
  status: 'failed',
  error: { code, detail: 'The sampler failed.', nodeId: '3' },
});

export function anInstance(overrides: Partial<InstanceAnnouncement> = {}): InstanceAnnouncement {
  return {
    name: 'w1/0',
    pools: [POOL],
    state: 'up',
    since: 1,
    reason: null,
    rests: [],
    vram: 0,
    drains: false,
    running: null,
    waiting: [],
    collecting: [],
    busyShare: 0,
    done: 0,
    failed: 0,
    checkpoint: null,
    models: [],
    cleansOutputs: false,
    cleansInputs: false,
    exposures: [],
    ...overrides,
  };
}

export function anAnnouncement(overrides: Partial<WorkerAnnouncement> = {}): WorkerAnnouncement {
  return {
    name: 'w1',
    startedAt: 1,
    seenAt: Date.now(),
    pools: [POOL],
    draining: false,
    storeFault: null,
    ports: [],
    instances: [anInstance({ pools: overrides.pools ?? [POOL] })],
    ...overrides,
  };
}

/** The arguments of the script by which a worker claims a job. */
export function aClaim(worker: string, token: string): NamedArguments {
  return { pool: POOL, worker, token, lock_ms: 60_000 };
}

/** Lets a worker claim a job that it is responsible for. */
export async function claimAs(fleet: Fleet, id: string, worker: string, token: string) {
  await fleet.redis.sadd(fleet.keys.held(worker), id);
  return (await fleet.run('claim', id, aClaim(worker, token))) as unknown[];
}

/** A ledger, its keys, and a plain connection to inspect them; closed at the end of the test. */
export interface Fleet {
  /** How to connect to its Redis. */
  readonly settings: RedisSettings;
  readonly url: string;
  readonly keys: Keys;
  readonly redis: Redis;
  readonly ledger: Ledger;
  /** The store of large graphs and origins. */
  readonly files: ReturnType<typeof filesInMemory>;
  worker(name?: string, overrides?: Partial<WorkerLedgerOptions>): WorkerLedger;
  /** A source of claims for a worker of its own. At the end of the test it is cut off with its unsettled claims. */
  claims(pool?: string, overrides?: Partial<WorkerLedgerOptions>): Promise<ClaimSource>;
  submit(overrides?: OrderOverrides): Promise<JobSnapshot>;
  /** Runs a transition script with these arguments, as a connection does that repeats it. */
  run(name: ScriptName, id: string, args?: NamedArguments, list?: (string | number)[]): Promise<unknown>;
  /** Lets another claim take the job, as after a lost lock. */
  supersede(id: string): Promise<void>;
  /** The events in the job's stream, oldest first. */
  events(id: string): Promise<unknown[]>;
  get(id: string): Promise<JobSnapshot>;
}

/** Settings of the ledger and its Redis connection. */
type FleetOptions = Partial<Omit<LedgerOptions, 'redis'>> & Partial<RedisSettings>;

export async function openFleet(overrides: FleetOptions = {}): Promise<Fleet> {
  const { url = inject('redisUrl'), prefix = uniquePrefix() } = overrides;
  const files = filesInMemory();
  const log = quietLog();
  const keys = createKeys(prefix);
  const settings = redisSettingsOf({ ...overrides, url, prefix });
  const redis = withScripts(workerConnection(settings, log));
  const ledger = await openLedger({ files, ...overrides, url, prefix });
  onTestFinished(() => redis.disconnect());
  let workers = 0;

  const worker = (name = `w${++workers}`, workerOverrides: Partial<WorkerLedgerOptions> = {}) => {
    const opened = createWorkerLedger({
      redis: settings,
      files,
      worker: name,
      jobTtlSeconds: JOB_TTL_SECONDS,
      maxWorkerDeaths: 3,
      maxOvertakes: 100,
      modelPatienceMs: 30_000,
      // So long that a live worker keeps its locks and stays announced on a busy machine.
      lockMs: 60_000,
      stalledCheckMs: 5000,
      announceSeconds: 60,
      log,
      ...workerOverrides,
    });
    onTestFinished(() => opened.close());
    return opened;
  };
  const run: Fleet['run'] = (name, id, args = {}, list = []) =>
    runScript(redis, name, keys.job(id), prefix, { id, ended_life: JOB_TTL_SECONDS * 1000, ...args }, list);
  const get = async (id: string) => {
    const snapshot = await ledger.jobs.get(id);
    if (snapshot === undefined) throw new Error(`no job ${id}`);
    return snapshot;
  };
  return {
    settings,
    url,
    keys,
    redis,
    ledger,
    files,
    worker,
    claims: (pool = POOL, workerOverrides = {}) => worker(undefined, workerOverrides).claims(pool),
    submit: async (overrides) => {
      const { only } = await ledger.orders.create(anOrder(overrides));
      if (only === undefined) throw new Error('no job was created');
      return only;
    },
    run,
    supersede: async (id) => {
      await redis.sadd(keys.held('another worker'), id);
      await run('claim', id, aClaim('another worker', `another process:${newId()}`));
    },
    events: async (id) =>
      (await redis.xrange(keys.events(id), '-', '+')).map(([, fields]) => JSON.parse(fields[1] as string) as unknown),
    get,
  };
}

/** Returns a function that resolves with the events of the job that were published since. */
export async function publishedEvents({ redis, keys }: Fleet, id: string): Promise<() => Promise<unknown[]>> {
  const events: unknown[] = [];
  const subscriber = redis.duplicate();
  onTestFinished(() => subscriber.disconnect());
  subscriber.on('message', (_channel, message: string) => {
    events.push(JSON.parse(message.slice(message.indexOf(' ') + 1)));
  });
  await subscriber.subscribe(keys.jobChannel(id));
  return async () => {
    // Its answer comes after all earlier messages.
    await subscriber.ping();
    return events;
  };
}

/** The test's own Redis, which it can stop and restart; stopped at the end of the test. */
export async function ownRedis(): Promise<RedisServer> {
  const server = await startRedisServer();
  onTestFinished(() => server.close());
  return server;
}

/** A ledger that is ready to answer; closed at the end of the test. */
export async function openLedger(overrides: FleetOptions & { url: string; prefix: string }): Promise<Ledger> {
  const ledger = createLedger({
    redis: redisSettingsOf(overrides),
    files: filesInMemory(),
    maxOpenJobs: 10_000,
    keyJobBytes: Number.MAX_SAFE_INTEGER,
    jobTtlSeconds: JOB_TTL_SECONDS,
    idempotencyTtlSeconds: 86_400,
    signedUrlSeconds: 3600,
    maxWorkflowVersions: 3,
    assetTtlSeconds: 3600,
    log: quietLog(),
    ...overrides,
  });
  onTestFinished(() => ledger.close());
  await untilAnswering(ledger);
  return ledger;
}

function redisSettingsOf({
  url,
  prefix,
  sentinel,
  cluster,
  // so that a change of the primary is noticed soon
  timeoutMs = sentinel === undefined && cluster === undefined ? 30_000 : 800,
  tls,
  wait,
}: FleetOptions & { url: string; prefix: string }) {
  return redisSettings({ url, prefix, timeoutMs, sentinel, cluster, tls, wait });
}

export async function untilAnswering(ledger: Ledger): Promise<void> {
  const answers = () =>
    ledger.ping().then(
      () => true,
      () => false,
    );
  await until('the ledger answers', answers);
}

/** The next claim; asks again until there is one. */
export async function nextClaim(source: ClaimSource): Promise<Claim> {
  return await until('a job was claimed', () => claimNext(source), { everyMs: 1 });
}

/** Claims the job, submits it as `promptId` and starts it. */
export async function startNext(source: ClaimSource, promptId = newId()): Promise<{ claim: Claim; promptId: string }> {
  const claim = await nextClaim(source);
  await claim.submit(promptId, 'w1/0');
  await claim.start(promptId);
  return { claim, promptId };
}

/** Simulates a pause longer than the lock, or the holder's death: BullMQ hands out the job's item again. */
export async function loseLock({ redis, keys }: Fleet, id: string): Promise<void> {
  await redis.del(keys.lock(POOL, id));
  await redis.sadd(`${keys.prefix}:${keys.queueName(POOL)}:stalled`, id);
}

/** Waits until the job's work item has ended. */
export async function itemEnded({ redis, keys }: Fleet, id: string): Promise<void> {
  await until('the item has ended', () => redis.hexists(keys.workItem(POOL, id), 'finishedOn'));
}

/** Collects a stream of a job until it ends. */
export async function collect(stream: AsyncIterable<JobStreamItem>): Promise<JobStreamItem[]> {
  const items: JobStreamItem[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** A signal for reads that should end by themselves; it fails the test if they do not. */
export const within = (ms = 180_000) => AbortSignal.timeout(ms);

/** Returns a function that counts the commands, also those of scripts, whose first argument began with `key` since. */
export async function countCommands({ redis }: Fleet): Promise<(command: string, key: string) => number> {
  const { port = 6379, host = '127.0.0.1' } = redis.options;
  let seen = '';
  const monitor = connect(port, host).on('data', (lines) => (seen += lines));
  onTestFinished(() => void monitor.destroy());
  monitor.write('MONITOR\r\n');
  await until('it is watched', () => seen.startsWith('+OK'));
  return (command, key) => seen.split(`"${command}" "${key}`).length - 1;
}
