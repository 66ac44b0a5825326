// `npm start`: everything on this machine, from a fresh clone. Needs nothing but Node.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./start-stack.mjs').then(({ startStack }) => startStack()).then((code) => process.exit(code));
