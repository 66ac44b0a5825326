import { readFile } from 'node:fs/promises';
import { type Config, ConfigError, parseApiKeys, requireKeys } from '@comfy-fleet/config';
import { type Finding, reportOf } from '../finding.js';
import { checkMode } from './keys-mode.js';

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
