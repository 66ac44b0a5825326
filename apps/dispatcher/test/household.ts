import { mkdtemp, readdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Config } from '@comfy-fleet/config';
import { newId, type Webhook } from '@comfy-fleet/contracts';
import { createFileFrames, frameName, inputDigest } from '@comfy-fleet/frames';
import { type Claim, type ClaimSource, createHousekeeper, createLedger, createWorkerLedger } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import {
  claimNext,
  pictureFile,
  pictureRequest,
  redisSettings,
  removeFolder,
  uniquePrefix,
  until,
} from '@comfy-fleet/testing';
import { inject, onTestFinished } from 'vitest';
import type { Retention } from '../src/housekeeping/retention.js';

export const DAY = 86_400;
export const HOUR = 3600;
const POOL = 'default';

/** Limits that nothing exceeds. */
const UNLIMITED: Config['retention'] = {
  framesMaxAgeSeconds: Number.MAX_SAFE_INTEGER,
  inputsMaxAgeSeconds: Number.MAX_SAFE_INTEGER,
  framesMaxBytes: Number.MAX_SAFE_INTEGER,
  minFreeBytes: 0,
  jobsKeptPerKey: Number.MAX_SAFE_INTEGER,
  jobBytesPerKey: Number.MAX_SAFE_INTEGER,
  housekeepingSeconds: 60,
};

interface EndedJob {
  readonly pictures?: number;
  /** Size of each picture. */
  readonly bytes?: number;
  readonly key?: string;
  readonly callback?: Webhook;
}

/** A ledger and picture stores with real jobs, removed after the test. */
export async function openHousehold({ url = inject('redisUrl'), jobTtlSeconds = 3600 } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'household-'));
  const redis = redisSettings({ url, prefix: uniquePrefix() });
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(String(chunk)) as Record<string, unknown>);
      done();
    },
  });
  const log = createLogger({ service: 'test', level: 'info', format: 'json', stream });
  const store = (...folders: string[]) => createFileFrames({ dir: join(dir, ...folders), owner: 'test' });
  const stores = { frames: store(), inputs: store('inputs'), derived: store('derived') };
  const ledger = createLedger({
    redis,
    files: stores.inputs,
    maxOpenJobs: 10_000,
    keyJobBytes: Number.MAX_SAFE_INTEGER,
    jobTtlSeconds,
    idempotencyTtlSeconds: 60,
    signedUrlSeconds: 3600,
    maxWorkflowVersions: 3,
    assetTtlSeconds: 3600,
    log,
  });
  const worker = createWorkerLedger({
    redis,
    files: stores.inputs,
    worker: 'w1',
    jobTtlSeconds,
    maxWorkerDeaths: 3,
    maxOvertakes: 100,
    modelPatienceMs: 30_000,
    // Long enough that no lock expires on a busy machine.
    lockMs: 60_000,
    stalledCheckMs: 5000,
    announceSeconds: 2,
    log,
  });
  await until('the ledger answers', () =>
    ledger.ping().then(
      () => true,
      () => false,
    ),
  );
  const source: ClaimSource = await worker.claims(POOL);
  const keepers = [1, 2].map(() => createHousekeeper({ redis, jobTtlSeconds, log }));
  const [keeper, otherKeeper] = keepers as [(typeof keepers)[0], (typeof keepers)[0]];
  onTestFinished(async () => {
    await Promise.all([ledger.close(), worker.close(), ...keepers.map((one) => one.close())]);
    await removeFolder(dir);
  });

  const { signal } = new AbortController();
  /** Stores a file of this age and size. An input counts as sent by the key. */
  const put = async (
    kind: 'frames' | 'inputs' | 'derived',
    name: string,
    ageSeconds: number,
    bytes = 200_000,
    key = 'anonymous',
  ) => {
    if (kind === 'inputs') await ledger.storage.add(key, { digest: inputDigest(name), bytes });
    await stores[kind].put(name, [Buffer.alloc(1)], { signal });
    const path = join(dir, kind === 'frames' ? '' : kind, name);
    await truncate(path, bytes); // sparse, so that even huge files fit on any disk
    const time = new Date(Date.now() - ageSeconds * 1000);
    await utimes(path, time, time);
    return name;
  };
  const create = async (
    input?: string,
    startWithinMs = HOUR * 1000,
    { key = 'anonymous', ...rest }: { key?: string; callback?: Webhook } = {},
  ) => {
    const kind = input === undefined ? ('text2img' as const) : ('img2img' as const);
    const id = newId();
    const request = pictureRequest(input === undefined ? {} : { image: pictureFile(input) });
    await ledger.orders.create({
      jobs: [{ id, kind, request, pool: POOL, startWithinMs, ...rest }],
      caller: key,
    });
    return id;
  };
  const claim = (): Promise<Claim> => until('a job was claimed', () => claimNext(source));
  const finish = async (held: Claim) => {
    const { id } = held.record;
    const about = { name: 'image', nodeId: '7', kind: 'image', filename: 'a.png' } as const;
    const image = {
      ...about,
      width: 64,
      height: 64,
      contentType: 'image/png',
      bytes: 200_000,
      sha256: 'ab'.repeat(32),
    };
    await held.finish({ status: 'succeeded', outputs: [{ ...image, file: frameName(id, 1) }] });
    return id;
  };
  return {
    dir,
    /** Settings for a process that works on them. */
    settings: { REDIS_URL: redis.url, KEY_PREFIX: redis.prefix, FRAMES_DIR: dir },
    redis,
    log,
    ...stores,
    ledger,
    keeper,
    otherKeeper,
    /** What was logged at info and above. */
    lines,
    put,
    create,
    claim,
    finish,
    /** Creates a job that has ended, with pictures of this age. */
    ended: async (ageSeconds: number, { pictures = 1, bytes = 200_000, ...order }: EndedJob = {}) => {
      await create(undefined, undefined, order);
      const id = await finish(await claim());
      for (let n = 1; n <= pictures; n++) await put('frames', frameName(id, n), ageSeconds, bytes);
      return id;
    },
    /** Paths of all files, relative to the store. */
    files: async () => {
      const entries = await readdir(dir, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
        .sort();
    },
    existing: async (ids: readonly string[]) => {
      const found = await Promise.all(ids.map((id) => ledger.jobs.get(id)));
      return ids.filter((_, index) => found[index] !== undefined);
    },
    retention: (limits: Partial<Config['retention']>, overrides: Partial<Retention> = {}): Retention => ({
      keeper,
      ...stores,
      // like the settings: inputs have the maximum age of frames, unless they have their own
      retention: {
        ...UNLIMITED,
        inputsMaxAgeSeconds: limits.framesMaxAgeSeconds ?? UNLIMITED.inputsMaxAgeSeconds,
        ...limits,
      },
      signal,
      log,
      ...overrides,
    }),
    writeFile: (name: string, data: string) => writeFile(join(dir, name), data),
  };
}
