import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { aptInstall, findApt } from './apt.mjs';
import { Problem } from './problem.mjs';

/** Debian's moto is for Debian's Python, which need not be the first on the PATH. As packages/testing looks for it. */
const PYTHONS = ['/usr/bin/python3', 'python3'];
/** The second of them moto's server needs, and Debian's package of moto does not ask for it. */
const PACKAGES = ['python3-moto', 'python3-flask-cors'];

/**
 * Sees to it that a Python here has moto, which plays S3 in the tests; installs it with apt-get as root. Throws a Problem that
 * says what to type when there is none still: the tests that need it will fail.
 * @param {{
 *   env: NodeJS.ProcessEnv, run: import('./redis-provision.mjs').Run, say: (text: string) => void,
 *   platform?: NodeJS.Platform, isRoot?: boolean, pythons?: readonly string[],
 * }} means
 */
export async function provideMoto(means) {
  if (await isHere(means)) return;
  const apt = findApt(means);
  const { isRoot = process.getuid?.() === 0 } = means;
  if (apt !== undefined && isRoot) {
    means.say(`Installing ${PACKAGES.join(', ')} with apt-get, for the tests.`);
    await aptInstall(apt, PACKAGES, means);
    if (await isHere(means)) return;
  }
  throw new Problem(
    `The tests need a Python with moto, which plays S3. On Debian type: sudo apt-get install -y ${PACKAGES.join(' ')}    (elsewhere: pip install 'moto[s3,server]')`,
  );
}

/** @param {{ env: NodeJS.ProcessEnv, pythons?: readonly string[] }} means */
async function isHere({ env, pythons = PYTHONS }) {
  for (const python of pythons) {
    try {
      await promisify(execFile)(python, ['-c', 'import moto.moto_server.werkzeug_app'], { env, timeout: 60_000 });
      return true;
    } catch {
      // without moto, or no Python at all: the next one
    }
  }
  return false;
}
