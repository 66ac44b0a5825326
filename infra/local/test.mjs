// `npm test`: installs, builds, checks and tests, from a fresh clone. Needs nothing but Node and git.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./run-tests.mjs').then(({ runTests }) => runTests()).then((code) => process.exit(code));
