// `npm run check:containers`: builds the image, and checks the services of docker-compose.yml with the simulator.
import { refuseOldNode } from '../local/node-version.mjs';

refuseOldNode();
import('./run-checks.mjs').then(({ runChecks }) => runChecks()).then((code) => process.exit(code));
