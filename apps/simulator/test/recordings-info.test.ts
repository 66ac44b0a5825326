import type { Replay } from './replay.js';
import { replaySuite } from './replay-suite.js';

const untilIdle = (replay: Replay) => replay.untilIdle();
const whole = 'the recording has all 382 or 632 classes; the simulator describes those it knows, word for word';

replaySuite('0.3.64', 'info', {
  notReproduced: { 'object_info (all nodes)': whole },
  before: { 'history?max_items=2 (of 3)': untilIdle },
});
replaySuite('0.33.0', 'info-changed', {
  notReproduced: { 'object_info (all nodes)': whole },
  before: { 'history?max_items=1&offset=0': untilIdle },
});
replaySuite('0.33.0', 'origin');
