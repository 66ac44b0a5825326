// `npm run check:containers`: builds the images and runs docker-compose.yml with the simulator, for real.
import { refuseOldNode } from '../local/node-version.mjs';

refuseOldNode();
import('./run-checks.mjs').then(({ runChecks }) => runChecks()).then((code) => process.exit(code));
