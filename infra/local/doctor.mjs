// `npm run doctor`: needs nothing but Node, like `npm start`. Of an `npm start` that runs here it knows what that started.
import { fileURLToPath } from 'node:url';
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
Promise.all([import('./data-lock.mjs'), import('./run-program.mjs')])
  .then(([{ toldSettings }, { runProgram }]) => {
    const env = { ...toldSettings(fileURLToPath(new URL('../../.data', import.meta.url))), ...process.env };
    return runProgram('apps/cli/dist/main.js', ['doctor', ...process.argv.slice(2)], { env });
  })
  .then((code) => process.exit(code));
