// `npm run keys -- create|list|revoke`: needs nothing but Node, like `npm start`.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./run-keys.mjs').then(({ runKeys }) => runKeys(process.argv.slice(2))).then((code) => process.exit(code));
