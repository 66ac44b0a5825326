// `npm run bench:gpu`, `bench:api`, `bench:scheduler`, `bench:fleet` and `npm run chaos`: needs only Node, like
// `npm start`; bench:fleet also needs nginx and Prometheus.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./run-bench.mjs').then(({ runBench }) => runBench(process.argv.slice(2))).then((code) => process.exit(code));
