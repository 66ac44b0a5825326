import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { aptInstall, aptUnpack, findApt } from './apt.mjs';
import { Problem } from './problem.mjs';

/** Debian's moto needs Debian's Python, which need not be the first on the PATH. packages/testing uses the same list. */
const PYTHONS = ['/usr/bin/python3', 'python3'];
/** moto's server needs python3-flask-cors, which Debian's python3-moto does not depend on. */
const PACKAGES = ['python3-moto', 'python3-flask-cors'];

const UNPACKED = 'python3-moto';

/**
 * Returns an environment in which Python finds an unpacked moto.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} packagesDir
 * @returns {NodeJS.ProcessEnv}
 */
export function withUnpackedMoto(env, packagesDir) {
  const modules = join(packagesDir, UNPACKED, 'files/usr/lib/python3/dist-packages');
  return { ...env, PYTHONPATH: [env.PYTHONPATH, modules].filter(Boolean).join(delimiter) };
}

/**
 * Provides a Python with moto, which simulates S3 in the tests: installs it with apt-get as root, or else unpacks it in
 * `packagesDir` for `withUnpackedMoto`. If that fails, throws a Problem with the command to install it.
 * @param {{
 *   env: NodeJS.ProcessEnv, run: import('./redis-provision.mjs').Run, say: (text: string) => void, packagesDir: string,
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
  } else if (apt !== undefined) {
    means.say(`Fetching ${PACKAGES.join(', ')} with apt-get for this folder only, because only root may install them.`);
    const wanted = { packages: PACKAGES, needs: /^(python3-|lib)/ };
    await aptUnpack(apt, wanted, join(means.packagesDir, UNPACKED), means).catch((error) => {
      if (!(error instanceof Problem)) throw error;
    });
  }
  if (apt !== undefined && (await isHere(means))) return;
  throw new Problem(
    `The tests need a Python with moto, which simulates S3. On Debian type: sudo apt-get install -y ${PACKAGES.join(' ')}    (elsewhere: pip install 'moto[s3,server]')`,
  );
}

/** @param {{ env: NodeJS.ProcessEnv, packagesDir: string, pythons?: readonly string[] }} means */
async function isHere({ env: given, packagesDir, pythons = PYTHONS }) {
  const env = withUnpackedMoto(given, packagesDir);
  for (const python of pythons) {
    try {
      await promisify(execFile)(python, ['-c', 'import moto.moto_server.werkzeug_app'], { env, timeout: 60_000 });
      return true;
    } catch {
      // There is no such Python, or it has no moto: try the next one.
    }
  }
  return false;
}
