import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Finding, reportOf } from '../finding.js';

const READABLE_BY_ALL = 0o004;
const ENTERED_BY_ALL = 0o001;

/** Who may read the keys: they are there as digests, but secrets of webhooks as they are. */
export async function checkMode(path: string): Promise<Finding[]> {
  if (isMountedSecret(path) || !(await isReadableByAll(path))) return [];
  const found = `every user of this machine may read ${path}, and the secrets of webhooks in it`;
  return [reportOf('keys-mode').warn(found, `chmod 640 ${path}`)];
}

/**
 * Where Compose mounts secrets. Whoever is in the container is meant to read them, and has to be able to as whichever user he is; the
 * folder that keeps them from the users of the machine is not to be seen from here.
 */
function isMountedSecret(path: string): boolean {
  return path.startsWith('/run/secrets/');
}

/** A file in a folder that is closed to others is closed to them, whatever its own mode says. */
async function isReadableByAll(path: string): Promise<boolean> {
  const file = await realpath(path);
  if (((await stat(file)).mode & READABLE_BY_ALL) === 0) return false;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & ENTERED_BY_ALL) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
