import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../src/python.js';
import { ask } from './client.js';
import { plainImage, putPicture, textToImage } from './graphs.js';
import { recording } from './recording.js';
import { replaySuite } from './replay.js';
import { filesOf, Running } from './running.js';

replaySuite('0.3.64', 'caching', {
  primed: ['1 first run of this graph: submit'],
  before: {
    '9 the graph of 6 again after POST /free {unload_models,free_memory}: submit': async (replay, simulator) => {
      await replay.untilIdle();
      await ask(simulator.url, 'POST', '/free', '{"unload_models": true, "free_memory": true}');
    },
  },
});
replaySuite('0.3.64', 'caching-loadimage', {
  primed: ['img2img first: submit'],
  setup: async (_replay, simulator) => {
    await putPicture(simulator, 'input/red.png');
    await putPicture(simulator, 'input/primer.png', '#123456');
  },
  before: {
    'img2img identical graph, but the input file was replaced (overwrite=true): submit': async (replay, simulator) => {
      await replay.untilIdle();
      await putPicture(simulator, 'input/red.png', '#1ec81e');
    },
  },
});
replaySuite('0.3.64', 'caching-deleted-file', {
  primed: ['1 first run: submit'],
  before: {
    "1 the picture's file is now deleted on the server's disk": (_replay, simulator) =>
      rmSync(join(simulator.dir, 'output', 'gone_00001_.png')),
  },
});
replaySuite('0.3.64', 'caching-history-cleared', { primed: ['1 first run: submit'] });

describe('0.3.64 caching-and-model-switching', () => {
  const text = (seed: number, more: { text?: string; checkpoint?: string; width?: number } = {}): JsonObject => {
    const graph = textToImage({
      seed,
      prefix: 'sw',
      text: more.text ?? 'a red fox',
      width: more.width ?? 64,
      height: more.width ?? 64,
    });
    const ckpt_name = more.checkpoint ?? 'sd_xl_base_1.0.safetensors';
    return { ...graph, '1': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name } } };
  };
  const b = 'v1-5-pruned-emaonly.safetensors';
  // The recording describes the prompts in words.
  const prompts: Record<string, JsonObject> = {
    'checkpoint A, after /free': text(1),
    'A, other seed': text(2),
    'A, other seed and text': text(3, { text: 'a blue bird' }),
    'checkpoint B': text(4, { text: 'a blue bird', checkpoint: b }),
    'A again': text(5, { text: 'a blue bird' }),
    'B again': text(6, { text: 'a blue bird', checkpoint: b }),
    'B, other seed': text(7, { text: 'a blue bird', checkpoint: b }),
    'EmptyImage -> SaveImage in between': plainImage(3, 'sw'),
    'B, other seed, after the model-less prompt: everything is loaded again': text(8, {
      text: 'a blue bird',
      checkpoint: b,
    }),
    'B, 128x128': text(8, { text: 'a blue bird', checkpoint: b, width: 128 }),
  };
  let running: Running;
  beforeAll(async () => {
    running = await Running.start();
  });
  afterAll(() => running.close());

  for (const { name, execution_cached: cached, outputs } of recording('0.3.64', 'caching-and-model-switching')) {
    it(`finds the same nodes in the cache as recorded: ${name}`, async () => {
      const entry = await running.run(prompts[name] ?? {});
      const { messages } = entry.status as JsonObject;
      const found = (messages as [string, JsonObject][]).find(([event]) => event === 'execution_cached')?.[1];
      expect([found?.nodes, entry.outputs]).toEqual([cached, outputs]);
    });
  }
});

describe('0.33.0 output-files-more', () => {
  it('counts files with unusual names as recorded', async () => {
    const running = await Running.start({ version: '0.33.0' });
    const files = ['', 'fn_00300.png', 'fn_00400.x.png', 'fn_0500'];
    for (const [at, { outputs }] of recording('0.33.0', 'output-files-more').entries()) {
      const file = files[at] ?? '';
      if (file !== '') writeFileSync(join(running.simulator.dir, 'output', file), '');
      expect(filesOf(await running.run(plainImage(at, 'fn')))).toEqual(filesOf({ outputs: outputs ?? {} }));
    }
    await running.close();
  });
});
