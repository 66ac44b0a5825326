import { Writable } from 'node:stream';
import { newId } from '@comfy-fleet/contracts';
import {
  type Claim,
  createLedger,
  createWorkerLedger,
  type InstanceNames,
  type JobRecord,
  type NewJob,
  type SourceOwner,
} from '@comfy-fleet/jobs';
import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import {
  claimNext,
  filesInMemory,
  pictureRequest,
  type RequestOverrides,
  redisSettings,
  uniquePrefix,
  until,
} from '@comfy-fleet/testing';
import { encodingOf, type Graph, loadWorkflows } from '@comfy-fleet/workflows';
import { inject, onTestFinished } from 'vitest';
import type { LoadTimes } from '../src/instance/held-models.js';
import { type InstanceOptions, openInstance } from '../src/instance/instance.js';
import { createKnownWorkflows } from '../src/instance/known-workflows.js';
import { createInstruments, type Instruments } from '../src/instruments.js';
import { HeldJob } from '../src/job/held-job.js';
import { Slots } from '../src/slots/slots.js';
import { CallerNames } from '../src/submission/caller-names.js';

const JOB_TTL_SECONDS = 3600;

export function quietLog() {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  return createLogger({ service: 'test', level: 'error', format: 'json', stream: nowhere });
}

/** Resolves a request for a workflow of the folder, in its current version. */
export const aRequest = (wanted: RequestOverrides = {}) => {
  const version = FOLDER.byName.get(wanted.workflow ?? 'text2img')?.version ?? '';
  return pictureRequest({ version, steps: 2, width: 64, height: 64, ...wanted });
};

/** Long enough that a process keeps its jobs even if it is paused. */
const LOCK_MS = 60_000;

/** A ledger under its own prefix, and workers' views of it; closed when the test is done. */
export function openLedgers() {
  const redis = redisSettings({ url: inject('redisUrl'), prefix: uniquePrefix() });
  const log = quietLog();
  const files = filesInMemory();
  const ledger = createLedger({
    redis,
    files,
    maxOpenJobs: 1000,
    keyJobBytes: Number.MAX_SAFE_INTEGER,
    jobTtlSeconds: JOB_TTL_SECONDS,
    idempotencyTtlSeconds: 60,
    signedUrlSeconds: 60,
    maxWorkflowVersions: 3,
    assetTtlSeconds: 3600,
    log,
  });
  onTestFinished(() => ledger.close());
  const answering = () =>
    until('the ledger answers', () =>
      ledger.ping().then(
        () => true,
        () => false,
      ),
    );
  const submit = async (
    overrides: RequestOverrides = {},
    pool = 'default',
    caller = 'anonymous',
    more: Partial<NewJob> = {},
  ): Promise<string> => {
    await answering();
    const id = newId();
    const request = aRequest(overrides);
    const workflow = FOLDER.byName.get(request.workflow);
    const made = {
      id,
      kind: 'text2img' as const,
      request,
      ...(workflow === undefined
        ? {}
        : { source: { version: workflow.version, text: workflow.text }, encoding: encodingOf(workflow, request) }),
      pool,
      startWithinMs: 3_600_000,
      ...more,
    };
    await ledger.orders.create({ jobs: [made], caller, weight: 1 });
    return id;
  };
  const workerOptions = (worker: string, lockMs: number) => ({
    redis,
    files,
    worker,
    jobTtlSeconds: JOB_TTL_SECONDS,
    maxWorkerDeaths: 10,
    maxOvertakes: 100,
    modelPatienceMs: 30_000,
    lockMs,
    stalledCheckMs: 300,
    // A paused process must not be taken for dead.
    announceSeconds: 60,
    log,
  });
  return {
    ledger,
    answering,
    submit,
    record: async (id: string): Promise<JobRecord> => {
      const found = await ledger.jobs.get(id);
      if (found === undefined) throw new Error(`no job ${id}`);
      return found.record;
    },
    cancel: (id: string) => ledger.jobs.cancel(id),
    /** The names of a job's files on instances. */
    nameOf: async (storedName: string, key = 'anonymous'): Promise<string> => {
      const any = createWorkerLedger(workerOptions('any', LOCK_MS));
      onTestFinished(() => any.close());
      return (await any.instanceNames()).input(key, storedName);
    },
    /** For a worker that will die: others get its jobs when the locks have expired. */
    worker: (worker: string, lockMs = LOCK_MS) => createWorkerLedger(workerOptions(worker, lockMs)),
  };
}

/** Load times that are known from the beginning. A measured time replaces the known one; no average is taken. */
export function knownLoadTimes(ms: Readonly<Record<string, number>>): LoadTimes {
  const times = new Map(Object.entries(ms));
  return {
    of: (file) => times.get(file),
    learn: (file, ms) => times.set(file, ms),
    onChange: () => {},
    read: async () => {},
  };
}

export const NO_GRAPH = {
  version: '',
  graph: {},
  loaders: new Map(),
  times: new Map(),
  outputs: new Map(),
  names: new CallerNames({ prefix: 'ab'.repeat(32), files: new Map() }),
};

/** Readable names, so that a test can check what they belong to. */
export const INSTANCE_NAMES: InstanceNames = {
  input: (key, storedName) => `${key}-${storedName}`,
  model: (...parts) => parts.join('-'),
  outputPrefix: (promptId) => `prefix-${promptId}`,
};

/** Nothing listens there. */
export const NOWHERE = 'http://127.0.0.1:1';

/** The slots of an instance at this address, until the test is done. */
export function someSlots(url: string, over: Partial<InstanceOptions> = {}): Slots {
  const log = quietLog();
  const instance = openInstance({
    name: 'w/1',
    baseUrl: url,
    headers: {},
    pools: ['default'],
    timeoutMs: 60_000,
    folders: { output: undefined, input: undefined, temp: undefined },
    log,
    limits: { failuresToRest: 3, firstRestMs: 10_000, longestRestMs: 600_000 },
    loadTimes: knownLoadTimes({}),
    encodeAhead: { mode: 'on', leastSavedMs: 500 },
    ...over,
  });
  onTestFinished(() => instance.close());
  const kept = { maxKeptPixels: 500_000_000, maxKeptNodes: 10_000, chargeLoads: () => {} };
  return new Slots({ instance, instruments: someInstruments(), ...kept });
}

export function someInstruments(): Instruments {
  return createInstruments(createMetrics({ service: 'test', log: quietLog() }));
}

/** What happened to the job before. */
type Before = (ledgers: ReturnType<typeof openLedgers>) => Promise<void>;

/** A claimed job of its own ledger, in one of these slots. */
export async function aClaimedJob(slots: Slots, before: Before = async () => {}, unreachableMs = 30_000) {
  const ledgers = openLedgers();
  const worker = ledgers.worker('w');
  onTestFinished(() => worker.close());
  const id = await ledgers.submit();
  await before(ledgers);
  const source = await worker.claims('default');
  onTestFinished(() => source.close());
  const claim: Claim = await until('it is claimed', () => claimNext(source));
  onTestFinished(() => claim.letGo());
  const job = new HeldJob(claim, slots, {
    log: quietLog(),
    ending: new AbortController().signal,
    unreachableMs,
  });
  return {
    job,
    record: () => ledgers.record(id),
    /** The caller cancels, and the worker knows. */
    cancel: async () => {
      await ledgers.cancel(id);
      job.slot.notify();
    },
  };
}

/** Like `aClaimedJob`, and submitted to the instance at this address. */
export async function aSubmittedJob(url: string, unreachableMs?: number, graph: Graph = {}) {
  const held = await aClaimedJob(someSlots(url), undefined, unreachableMs);
  const submission = await held.job.recordSubmission(newId(), { ...NO_GRAPH, graph });
  submission.submittedAt = performance.now();
  return { ...held, submission };
}

const FOLDER = await loadWorkflows('workflows');

/** The known workflows of a worker that has read every workflow of the folder. */
export async function folderOnly() {
  const workflows = [...FOLDER.byName.values()];
  const textOf = async ({ request }: SourceOwner) => workflows.find(({ version }) => version === request.version)?.text;
  const known = createKnownWorkflows(textOf, FOLDER.profiles);
  const { signal } = new AbortController();
  for (const { name: workflow, version } of workflows)
    await known.load({ id: '', request: { workflow, version } }, signal);
  return known;
}
