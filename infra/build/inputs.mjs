import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The list of a build's input files, with the SHA-256 of each. */
const LIST = 'dist/inputs.json';

/**
 * Writes the list of a build's inputs.
 * @param {string} root of the repository
 * @param {string} folder of the app or package
 * @param {readonly string[]} files relative to the root
 */
export function writeInputs(root, folder, files) {
  const digests = files.map((file) => [file, digest(join(root, file))]);
  writeFileSync(join(root, folder, LIST), JSON.stringify(Object.fromEntries(digests)));
}

/**
 * Returns the first input that was changed or deleted since the build, or the list itself if there is no build. A file that
 * git wrote again with the same content counts as unchanged.
 * @param {string} root
 * @param {string} folder
 * @returns {string | undefined}
 */
export function staleInput(root, folder) {
  const list = join(root, folder, LIST);
  if (!existsSync(list)) return `${folder}/${LIST}`;
  const builtAt = statSync(list).mtimeMs;
  const digests = /** @type {Record<string, string>} */ (JSON.parse(readFileSync(list, 'utf8')));
  return Object.keys(digests).find((file) => {
    const modified = statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs;
    return modified === undefined || (modified > builtAt && digest(join(root, file)) !== digests[file]);
  });
}

/** @param {string} path */
function digest(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
