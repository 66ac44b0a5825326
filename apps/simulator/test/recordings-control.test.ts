import { replaySuite } from './replay-suite.js';

replaySuite('0.3.64', 'control');
replaySuite('0.3.64', 'control-more');
replaySuite('0.33.0', 'jobs');
replaySuite('0.33.0', 'jobs-after-restart');
