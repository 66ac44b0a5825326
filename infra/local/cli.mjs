// `npm run cli -- <command>`, and `npm run keys`, `doctor` and `workflows`: needs only Node, like `npm start`.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./run-program.mjs')
  .then(({ runProgram }) => runProgram('apps/cli/dist/main.js', process.argv.slice(2)))
  .then((code) => process.exit(code));
