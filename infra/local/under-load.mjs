// `npm run test:under-load`: a whole `npm test` next to four busy loops. No test may fail because a machine is slow.
import { fileURLToPath } from 'node:url';
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
const TEST = fileURLToPath(new URL('./test.mjs', import.meta.url));
import('./busy-loops.mjs')
  .then(({ besideBusyLoops }) => besideBusyLoops(TEST, process.argv.slice(2)))
  .then(process.exit);
