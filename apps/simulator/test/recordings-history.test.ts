import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaySuite } from './replay-suite.js';

replaySuite('0.3.64', 'history', {
  setup: (_replay, simulator) => {
    writeFileSync(join(simulator.dir, 'input', 'text.png'), 'this is not a picture\n');
    writeFileSync(join(simulator.dir, 'input', 'corrupt.png'), 'x');
  },
});
replaySuite('0.3.64', 'no-client-id');
replaySuite('0.3.64', 'extra-data-and-order');
replaySuite('0.33.0', 'extra-data');
