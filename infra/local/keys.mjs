// `npm run keys -- create|list|revoke`: needs nothing but Node, like `npm start`.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./run-program.mjs')
  .then(({ runProgram }) => runProgram('apps/api/dist/keys-main.js', process.argv.slice(2)))
  .then((code) => process.exit(code));
