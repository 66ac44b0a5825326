// `npm start`: runs everything on this machine, from a fresh clone. Needs only Node.
import { fileURLToPath } from 'node:url';
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
Promise.all([import('./start-stack.mjs'), import('./installation.mjs'), import('./prepare.mjs')])
  .then(([{ startStack }, { checkout }, { prepareToStart }]) =>
    startStack({ installation: checkout(fileURLToPath(new URL('../..', import.meta.url))), prepare: prepareToStart }),
  )
  .then((code) => process.exit(code));
