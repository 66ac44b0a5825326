import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Config, ConfigError, parseApiKeys, requireKeys } from '@comfy-fleet/config';
import type { ApiKey } from '@comfy-fleet/contracts';
import { type Finding, reportOf } from '../finding.js';

/** Checks whether the API keys are valid, who can read the file, and whether a key may operate the fleet. */
export async function checkKeys({ access, http }: Config): Promise<Finding[]> {
  const { ok, warn, fail } = reportOf('keys');
  const { keysFile: path, allowAnonymous } = access;
  if (path === undefined) {
    try {
      requireKeys({ host: http.host, keysFile: path, allowAnonymous });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return [
        fail(`HOST=${http.host} without API_KEYS_FILE: the API does not start, since anyone could use it`, MAKE_KEYS),
      ];
    }
    if (!allowAnonymous) return [ok(`none: anyone who can reach ${http.host} on this machine can do everything`)];
    return [warn(`none, and ALLOW_ANONYMOUS=1: anyone who can reach ${http.host} can do everything`, MAKE_KEYS)];
  }
  try {
    const keys = parseApiKeys(await readFile(path, 'utf8'), path);
    const admins = keys.filter(({ scopes }) => scopes.includes('admin')).length;
    const found = `${keys.length} in ${path}, ${admins} with the scope admin`;
    if (admins === 0) {
      const fix = 'npm run keys -- create operator --scopes admin, or give a key the scope admin';
      return [
        warn(`${found}: nobody can see or pause the fleet`, fix),
        ...(await checkMode(path, 'keys-mode', 'the webhook secrets')),
      ];
    }
    return [ok(found), ...(await checkMode(path, 'keys-mode', 'the webhook secrets'))];
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.faults.map((fault) => fail(fault, 'correct the file; npm run keys -- list checks it too'));
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const fix = 'npm run keys -- create <id> creates it; or correct API_KEYS_FILE, or let this user read it';
    return [fail(`${path} cannot be read (${code})`, fix)];
  }
}

const MAKE_KEYS = 'npm run keys -- create <id> --file keys.json, and set API_KEYS_FILE=keys.json';

const READABLE_BY_ALL = 0o004;
const ENTERED_BY_ALL = 0o001;

/** Checks who can read a file with secrets. */
export async function checkMode(path: string, check: string, secrets: string): Promise<Finding[]> {
  if (isMountedSecret(path) || !(await isReadableByAll(path))) return [];
  const found = `every user of this machine can read ${path} and ${secrets} in it`;
  return [reportOf(check).warn(found, `chmod 640 ${path}`)];
}

/**
 * Compose mounts secrets here. Every user in the container must be able to read them, and the folder that protects them on
 * the host is not visible in the container.
 */
function isMountedSecret(path: string): boolean {
  return path.startsWith('/run/secrets/');
}

/** A file in a folder that other users cannot enter is closed to them, whatever its own mode. */
async function isReadableByAll(path: string): Promise<boolean> {
  const file = await realpath(path);
  if (((await stat(file)).mode & READABLE_BY_ALL) === 0) return false;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & ENTERED_BY_ALL) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** Checks which secrets sign webhooks. The checks `settings` and `keys` find malformed secrets. */
export async function checkWebhooks({ access, webhooks }: Config): Promise<Finding[]> {
  const { ok, warn } = reportOf('webhooks');
  const { secrets } = webhooks;
  if (access.keysFile === undefined) {
    if (secrets.length > 0) return [ok(`are signed with the ${secrets.length} secrets of WEBHOOK_SECRETS`)];
    return [ok('are not signed, since there are no keys and no WEBHOOK_SECRETS')];
  }
  const keys = await readKeys(access.keysFile);
  if (keys === undefined) return []; // the check `keys` reports it
  const unsigned = keys.filter(({ webhook }) => (webhook?.secrets ?? []).length === 0).map(({ id }) => id);
  const ignored =
    secrets.length === 0 ? [] : [warn('WEBHOOK_SECRETS is set, but is used only without API keys', SECRET_OF_KEY)];
  if (unsigned.length === 0) return [...ignored, ok('are signed with the secrets of their keys')];
  return [...ignored, warn(`of ${unsigned.join(', ')} are not signed: these keys have no secret`, SECRET_OF_KEY)];
}

const SECRET_OF_KEY = 'npm run keys -- create <id> --webhook-secret new gives an existing key its own secret';

async function readKeys(path: string): Promise<readonly ApiKey[] | undefined> {
  try {
    return parseApiKeys(await readFile(path, 'utf8'), path);
  } catch {
    return undefined;
  }
}
