import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  fetchesInOrder,
  fewestFetches,
  type JournalLine,
  type ModelSource,
  popularModels,
  safetensors,
  startModelSource,
  startRedisServer,
} from '@comfy-fleet/testing';
import { startKeyedStack } from '../../../lib/keyed-stack.js';
import { createRandom } from '../../../lib/random.js';
import { type Goal, table } from '../../../lib/report.js';
import { inParallel, type Scope } from '../../../lib/scope.js';
import { startGpu } from '../../../lib/stack.js';
import { loraWorkflows } from './fleet.js';

/** Jobs that take LoRAs which hosts fetch from a slow source. */
export interface FetchSizes {
  readonly jobs: number;
  readonly loras: number;
  /** How many of them fit into the folder of a host. */
  readonly room: number;
  readonly promptMs: number;
  readonly fetchMs: number;
}

export interface FetchesBench {
  readonly sizes: FetchSizes;
  readonly onProgress: (text: string) => void;
  readonly print: (text: string) => void;
}

const HOSTS = 2;
const KEY = 'fetches';
const AT_ONCE = 4;
const SIDE = 64;
const SEED = 13;
const BYTES = 1024 * 1024;
/** For the fleet's own files in a models folder. */
const OWN_BYTES = 256 * 1024;
const MOST_FETCHES = 1.2;
const MOST_IDLE = 0.1;

/**
 * Compares the fetches of the service with the fewest possible ones, and how long GPUs are idle because of them with jobs
 * that go to the next free host in order. GPUs are also idle for other reasons; so the same jobs run once more with all
 * models on the disks, and that idle time is subtracted.
 */
export async function measureFetches(scope: Scope, { sizes, onProgress, print }: FetchesBench): Promise<Goal[]> {
  const redis = await startRedisServer();
  scope.onClose(() => redis.close());
  const names = Array.from({ length: sizes.loras }, (_, n) => `lora-${n + 1}.safetensors`);
  const random = createRandom(SEED, 18);
  const jobs = popularModels(sizes.jobs, names, () => random.int(0, 2 ** 31) / 2 ** 31);
  const files = new Map(names.map((name) => [name, safetensors(BYTES)]));
  const run = (isThere: boolean) => {
    onProgress(isThere ? 'models on demand: all are there' : 'models on demand: all are fetched');
    return scope.inner((inner) => runJobs(inner, { redisUrl: redis.url, sizes, jobs, files, isThere }));
  };
  const [fetched, there] = [await run(false), await run(true)];
  const caches = { ...sizes, hosts: HOSTS, jobMs: sizes.promptMs };
  const [fewest, inOrder] = [fewestFetches(jobs, caches), fetchesInOrder(jobs, caches)];
  const idleMs = Math.max(0, fetched.idleMs - there.idleMs);
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  print(
    table(
      `${sizes.jobs} jobs over ${new Set(jobs).size} LoRAs, of which ${sizes.room} fit on each of ${HOSTS} hosts; prompts of ` +
        `${sizes.promptMs} ms, fetches of ${sizes.fetchMs} ms`,
      ['', 'fetches', 'GPUs idle s'],
      [
        ['the service', fetched.fetches, seconds(fetched.idleMs)],
        ['with all models on the disks', there.fetches, seconds(there.idleMs)],
        ['in order of arrival (computed)', inOrder.fetches, seconds(inOrder.idleMs)],
        ['the fewest fetches in that order (computed)', fewest, ''],
      ],
    ),
  );
  const atMost = (limit: number) => ({ unit: '', bound: 'at most', limit }) as const;
  return [
    { what: 'models on demand: fetches ÷ the fewest', value: fetched.fetches / fewest, ...atMost(MOST_FETCHES) },
    { what: "models on demand: idle through fetches ÷ FIFO's", value: idleMs / inOrder.idleMs, ...atMost(MOST_IDLE) },
  ];
}

interface Run {
  readonly redisUrl: string;
  readonly sizes: FetchSizes;
  readonly jobs: readonly string[];
  readonly files: ReadonlyMap<string, Buffer>;
  /** Whether the models are on the disks from the beginning. */
  readonly isThere: boolean;
}

async function runJobs(scope: Scope, { redisUrl, sizes, jobs, files, isThere }: Run) {
  const source = await startModelSource({ bytesPerSecond: (BYTES / sizes.fetchMs) * 1000 });
  scope.onClose(() => source.close());
  const dirs = await Promise.all(Array.from({ length: HOSTS }, () => modelsDir(scope, isThere ? files : new Map())));
  const more = { prompt_ms: sizes.promptMs, loras: [] };
  const gpus = await Promise.all(dirs.map((dir) => startGpu(scope, { ...more, models_dir: dir })));
  const workflowsDir = await loraWorkflows(scope, jobs[0] ?? '');
  const stack = await startKeyedStack(scope, { redisUrl, keys: [KEY], workflowsDir });
  for (const [name, content] of files) {
    source.files.set(name, { content });
    await stack.register('loras', name, { sources: [`${source.url}/${name}`], bytes: content.length });
  }
  const ids: string[] = [];
  await inParallel(jobs.length, AT_ONCE, async (n) => {
    const body = { prompt: 'a prompt', lod: 'sketch', width: SIDE, height: SIDE, steps: 1, seed: n };
    ids[n] = await stack.submit('/generate', KEY, { ...body, checkpoint: jobs[n] });
  });
  const startWorker = async (n: number) => {
    await stack.startWorker(`host-${n}`, [gpus[n]?.url ?? ''], {
      COMFYUI_MODELS_DIR: dirs[n] ?? '',
      MODELS_MAX_BYTES: `${sizes.room * BYTES + OWN_BYTES}`,
      MODEL_SOURCE_ALLOW: '127.0.0.1',
    });
  };
  await Promise.all(dirs.map((_, n) => startWorker(n)));
  const began = Date.now();
  await inParallel(ids.length, AT_ONCE, async (n) => {
    await stack.ended(ids[n] ?? '');
  });
  return {
    fetches: fetchesOf(source),
    idleMs: idleMs(
      gpus.map((gpu) => gpu.journal()),
      began,
    ),
  };
}

async function modelsDir(scope: Scope, files: ReadonlyMap<string, Buffer>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-models-'));
  scope.onClose(() => rm(dir, { recursive: true, force: true }));
  await mkdir(join(dir, 'loras'));
  for (const [name, content] of files) await writeFile(join(dir, 'loras', name), content);
  return dir;
}

function fetchesOf({ sent }: ModelSource): number {
  return Math.round([...sent.values()].reduce((sum, bytes) => sum + bytes, 0) / BYTES);
}

/** How long the GPUs executed nothing in total, until the last job began. */
function idleMs(journals: readonly (readonly JournalLine[])[], began: number): number {
  const prompts = journals.map((lines) => lines.flatMap((line) => (line.event === 'end' ? [line] : [])));
  const last = Math.max(...prompts.flat().map(({ started_at }) => started_at));
  const busyMs = (ms: number, { started_at, ended_at }: { started_at: number; ended_at: number }) =>
    ms + Math.max(0, Math.min(ended_at, last) - Math.max(started_at, began));
  return prompts.reduce((sum, its) => sum + (last - began) - its.reduce(busyMs, 0), 0);
}
