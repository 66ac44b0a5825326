// `npm run keys -- create|list|revoke`: needs nothing but Node, like `npm start`, and knows the Redis of one that runs here.
import { fileURLToPath } from 'node:url';
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
Promise.all([import('./data-lock.mjs'), import('./run-program.mjs')])
  .then(([{ toldSettings }, { runProgram }]) => {
    const env = { ...toldSettings(fileURLToPath(new URL('../../.data', import.meta.url))), ...process.env };
    return runProgram('apps/cli/dist/main.js', ['keys', ...process.argv.slice(2)], { env });
  })
  .then((code) => process.exit(code));
