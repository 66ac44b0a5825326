import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Config, ConfigError, parseApiKeys, requireKeys } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { type Finding, reportOf } from '../finding.js';

/** The API keys: whether they can be used, by whom they can be read, and whether anybody may operate the fleet. */
export async function checkKeys({ access, http }: Config): Promise<Finding[]> {
  const { ok, warn, fail } = reportOf('keys');
  const { keysFile: path, allowAnonymous } = access;
  if (path === undefined) {
    try {
      requireKeys({ host: http.host, keysFile: path, allowAnonymous });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return [
        fail(`HOST=${http.host} without API_KEYS_FILE: the API does not start, as anybody could use it`, MAKE_KEYS),
      ];
    }
    if (!allowAnonymous) return [ok(`none: whoever reaches ${http.host} on this machine may do anything`)];
    return [warn(`none, and ALLOW_ANONYMOUS=1: whoever reaches ${http.host} may do anything`, MAKE_KEYS)];
  }
  try {
    const keys = parseApiKeys(await readFile(path, 'utf8'), path);
    const admins = keys.filter(({ scopes }) => scopes.includes('admin')).length;
    const found = `${keys.length} in ${path}, ${admins} of them with the scope admin`;
    if (admins === 0) {
      const fix = 'npm run keys -- create operator --scopes admin, or give a key the scope admin';
      return [warn(`${found}: nobody may look at the fleet or pause it`, fix), ...(await checkMode(path))];
    }
    return [ok(found), ...(await checkMode(path))];
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.faults.map((fault) => fail(fault, 'correct the file; npm run keys -- list reads it too'));
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const fix = 'npm run keys -- create <id> makes it; or correct API_KEYS_FILE, or let this user read it';
    return [fail(`${path} cannot be read (${code})`, fix)];
  }
}

const MAKE_KEYS = 'npm run keys -- create <id> --file keys.json, and set API_KEYS_FILE=keys.json';

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

/** Whether webhooks are signed, and with what. Whether secrets are well-formed, settings and keys say. */
export async function checkWebhooks({ access, webhooks }: Config): Promise<Finding[]> {
  const { ok, warn } = reportOf('webhooks');
  const { secrets } = webhooks;
  if (access.keysFile === undefined) {
    if (secrets.length > 0) return [ok(`are signed with ${secrets.length} of WEBHOOK_SECRETS`)];
    return [ok('go unsigned, as there are no keys and no WEBHOOK_SECRETS')];
  }
  const keys = await readKeys(access.keysFile);
  if (keys === undefined) return []; // reported by the check of the keys
  const unsigned = keys.filter(({ webhook }) => (webhook?.secrets ?? []).length === 0).map(({ id }) => id);
  const ignored =
    secrets.length === 0
      ? []
      : [warn('WEBHOOK_SECRETS is set, but counts only where there are no keys', SECRET_OF_KEY)];
  if (unsigned.length === 0) return [...ignored, ok('are signed, each with the secret of its key')];
  return [...ignored, warn(`of ${unsigned.join(', ')} go unsigned: these keys have no secret`, SECRET_OF_KEY)];
}

const SECRET_OF_KEY = 'npm run keys -- create <id> --webhook-secret new gives a key that there is a secret of its own';

async function readKeys(path: string): Promise<readonly ApiKey[] | undefined> {
  try {
    return parseApiKeys(await readFile(path, 'utf8'), path);
  } catch {
    return undefined;
  }
}
