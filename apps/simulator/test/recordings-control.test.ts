import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from './client.js';
import { textToImage } from './graphs.js';
import { replaySuite } from './replay-suite.js';

const aRace = 'how far the server is by then is a matter of a millisecond';
const durations = 'sorts by how long prompts took, and the simulator takes other times';

replaySuite('0.3.64', 'control', {
  primed: ['submit right after it'],
  before: {
    'history delete of a finished one': async (replay, simulator) => {
      await ask(simulator.url, 'POST', '/interrupt');
      await replay.untilIdle();
    },
    'free while running': (replay) => replay.startFromLater('the run goes on and ends well'),
  },
});
replaySuite('0.3.64', 'control-more', {
  settings: { modelLoadMs: 100 },
  before: {
    'interrupt while the checkpoint is being loaded': (replay) =>
      replay.startFromLater('history: interrupted at the node after it'),
    'history: the two keys are gone': (_replay, simulator) =>
      ask(simulator.url, 'POST', '/interrupt').then(() => undefined),
  },
});
replaySuite('0.33.0', 'jobs', {
  settings: { stepMs: 20 },
  setup: (_replay, simulator) => writeFileSync(join(simulator.dir, 'input', 'text.png'), 'this is not a picture\n'),
  notReproduced: {
    'job by id at once: may still be in_progress': aRace,
    'jobs?sort_by=execution_duration': durations,
    'jobs?sort_by=EXECUTION_DURATION&sort_order=ASC': durations,
    'jobs at the end, by duration': durations,
  },
  before: {
    'cancel the running one by a batch': async (replay) => {
      await replay.untilIdle();
      const id = '15b8f2a9-de4b-4a05-be16-fc39535107cc';
      await replay.submit(id, textToImage({ seed: 81_002, steps: 80 }), { client_id: 'client-j' });
      await replay.untilRunning(id);
    },
    'after POST /interrupt: also status cancelled': async (replay, simulator) => {
      await replay.untilIdle();
      await replay.startFromLater('after POST /interrupt: also status cancelled');
      await ask(simulator.url, 'POST', '/interrupt');
    },
  },
});
replaySuite('0.33.0', 'jobs-after-restart');
