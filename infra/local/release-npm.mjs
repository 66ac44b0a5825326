// `npm run release:npm`: packs the npm packages. Needs only Node, like `npm start`.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
Promise.all([import('./run-program.mjs'), import('./prepare.mjs')])
  .then(([{ runProgram }, { install }]) =>
    runProgram('infra/npm/pack.mjs', [], { prepare: (means) => install(means, { forDevelopment: true }) }),
  )
  .then((code) => process.exit(code));
