// `npm test` and its parts: installs dependencies and runs tests, from a fresh clone. Needs only Node and git.
import { refuseOldNode } from './node-version.mjs';

refuseOldNode();
import('./run-tests.mjs')
  .then(({ runTests, watchTests }) => {
    const [gear, ...rest] = process.argv.slice(2);
    if (gear === 'watch') return watchTests(rest);
    return runTests(gear === undefined ? {} : { only: gear, args: rest });
  })
  .then((code) => process.exit(code));
