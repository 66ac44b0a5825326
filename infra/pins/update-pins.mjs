// `npm run pins`: looks up the current digests of tags, and writes them into infra/pins/pins.json and the files that name
// images. With --offline it only writes those files, after a manual change of pins.json. Needs git, and pip of Python 3.12.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PINNED_FILES, REQUIREMENTS_FILE, requirementsText, withPins } from './apply-pins.mjs';
import { comfyuiCommit, digestOf, pythonPackages } from './resolve-pins.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PINS = join(ROOT, 'infra/pins/pins.json');

/** @type {import('./apply-pins.mjs').Pins} */
let pins = JSON.parse(readFileSync(PINS, 'utf8'));
if (!process.argv.includes('--offline')) {
  const folder = mkdtempSync(join(tmpdir(), 'comfy-fleet-pins-'));
  try {
    pins = await resolved(pins, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  writeFileSync(PINS, `${JSON.stringify(pins, null, 2)}\n`);
}
for (const file of PINNED_FILES) {
  const path = join(ROOT, file);
  writeFileSync(path, withPins(readFileSync(path, 'utf8'), pins));
}
writeFileSync(join(ROOT, REQUIREMENTS_FILE), requirementsText(pins));

/**
 * @param {import('./apply-pins.mjs').Pins} pins
 * @param {string} folder
 * @returns {Promise<import('./apply-pins.mjs').Pins>}
 */
async function resolved({ images, comfyui: { version }, python: { requirements } }, folder) {
  const digests = await Promise.all(
    Object.keys(images).map(async (image) => /** @type {const} */ ([image, await digestOf(image)])),
  );
  const commit = await comfyuiCommit(version);
  const packages = await pythonPackages({ requirements, commit, folder });
  return { images: Object.fromEntries(digests), comfyui: { version, commit }, python: { requirements, packages } };
}
