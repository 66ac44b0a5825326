import { replaySuite } from './replay-suite.js';

replaySuite('0.3.64', 'caching');
replaySuite('0.3.64', 'caching-loadimage');
replaySuite('0.3.64', 'caching-deleted-file');
replaySuite('0.3.64', 'caching-history-cleared');
