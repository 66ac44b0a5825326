// `npm run bench:gpu`, `npm run bench:api` and `npm run chaos`: needs nothing but Node, like `npm start`.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./run-bench.mjs').then(({ runBench }) => runBench(process.argv.slice(2))).then((code) => process.exit(code));
