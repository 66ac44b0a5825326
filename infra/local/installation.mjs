import { join } from 'node:path';

/**
 * What differs between a checkout and the npm package.
 * @typedef {{
 *   folder: string, dataDir: string, program(name: string): string, startCommand: string, cliCommand: string,
 * }} Installation `folder`: where its processes run, from which relative paths in settings lead; `program`: the path of an
 *   app's program; the commands are those that people type
 */

/**
 * @param {string} root of the checkout
 * @returns {Installation}
 */
export function checkout(root) {
  return {
    folder: root,
    dataDir: join(root, '.data'),
    program: (name) => join(root, 'apps', name, 'dist/main.js'),
    startCommand: 'npm start',
    cliCommand: 'npm run cli --',
  };
}
