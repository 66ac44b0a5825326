import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { askJson } from './client.js';
import { putPicture } from './pictures.js';
import { replaySuite } from './replay-suite.js';

replaySuite('0.3.64', 'caching', {
  primed: ['1 first run of this graph: submit'],
  before: {
    '9 the graph of 6 again after POST /free {unload_models,free_memory}: submit': async (replay, simulator) => {
      await replay.untilIdle();
      await askJson(simulator.url, 'POST', '/free', { unload_models: true, free_memory: true }).catch(() => undefined);
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
