// `npm run doctor`: needs nothing but Node, like `npm start`.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./run-program.mjs')
  .then(({ runProgram }) => runProgram('apps/cli/dist/main.js', ['doctor', ...process.argv.slice(2)]))
  .then((code) => process.exit(code));
