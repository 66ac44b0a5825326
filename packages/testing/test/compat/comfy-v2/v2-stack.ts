import { createHash } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  onFreePort,
  overridesEnv,
  ready,
  removeFolder,
  type Service,
  simulatorOn,
  startService,
  startStack,
  type TestStack,
  until,
} from '@comfy-fleet/testing';
import { inject } from 'vitest';

/** A service with keys in front of simulated ComfyUIs, each of them a process. */
export interface V2Stack {
  readonly stack: TestStack;
  readonly simulators: readonly Service[];
  close(): Promise<void>;
}

const aKey = (id: string, more: object) => ({
  ...more,
  id,
  sha256: createHash('sha256').update(id).digest('hex'),
  scopes: ['jobs', 'graphs', 'admin'],
});

/** The keys anna and bert, with `key` for more of what they are. A worker of its own for each instance, so that none waits for another. */
export async function startV2Stack(
  instances: number,
  stepMs: number,
  { env = {}, key = {} }: { readonly env?: Readonly<Record<string, string>>; readonly key?: object } = {},
): Promise<V2Stack> {
  const folder = await mkdtemp(join(tmpdir(), 'comfy-v2-'));
  const keysFile = join(folder, 'keys.json');
  await writeFile(keysFile, JSON.stringify({ keys: [aKey('anna', key), aKey('bert', key)] }));
  const simulators: Service[] = [];
  const stack = await startStack({
    redisUrl: inject('redisUrl'),
    // Many steps keep a job at work while a test needs it.
    env: {
      API_KEYS_FILE: keysFile,
      ...overridesEnv({ worker: { unreachableSeconds: 2 } }),
      MAX_STEPS: '10000',
      ...env,
    },
  });
  const close = async () => {
    await stack.close();
    await Promise.all(simulators.map((simulator) => simulator.stop('SIGKILL')));
    await removeFolder(folder);
  };
  const startInstance = async (index: number) => {
    const url = await onFreePort(async (port) => {
      const start = simulatorOn(port, join(folder, `${port}`), { step_ms: stepMs });
      const simulator = startService('simulator', start.env);
      simulators[index] = simulator;
      await ready(simulator, `${start.url}/system_stats`);
      return start.url;
    });
    await stack.startWorker(`w${index + 1}`, [url]);
  };
  try {
    await Promise.all(Array.from({ length: instances }, (_, index) => startInstance(index)));
    await until('the instances have said what they have', async () => {
      const answer = await fetch(`${stack.url}/workflows/text2img`, { headers: { 'X-API-Key': 'anna' } });
      const { pools } = (await answer.json()) as { pools: { instances: unknown[] }[] };
      return pools.some((pool) => pool.instances.length === instances);
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { stack, simulators, close };
}

type Graph = Record<string, { class_type: string; inputs: Record<string, unknown> }>;

/** Loads a picture, inverts it, and saves that. */
export const inverting = (image: unknown = ''): Graph => ({
  1: { class_type: 'LoadImage', inputs: { image } },
  2: { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
  3: { class_type: 'SaveImage', inputs: { filename_prefix: 'e2e', images: ['2', 0] } },
});

/** Draws a small picture in so many steps; another seed is another picture. */
export const drawing = (steps: number, seed: number): Graph => ({
  1: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'sd_xl_base_1.0.safetensors' } },
  2: { class_type: 'CLIPTextEncode', inputs: { text: `a fox, number ${seed}`, clip: ['1', 1] } },
  3: { class_type: 'EmptyLatentImage', inputs: { width: 64, height: 64, batch_size: 1 } },
  4: {
    class_type: 'KSampler',
    inputs: {
      ...{ seed, steps, cfg: 8, sampler_name: 'euler', scheduler: 'normal', denoise: 1 },
      ...{ model: ['1', 0], positive: ['2', 0], negative: ['2', 0], latent_image: ['3', 0] },
    },
  },
  5: { class_type: 'VAEDecode', inputs: { samples: ['4', 0], vae: ['1', 2] } },
  6: { class_type: 'SaveImage', inputs: { images: ['5', 0], filename_prefix: 'ComfyUI' } },
});
