import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Fleet, type FleetOptions } from '@comfy-fleet/client';
import { callerSettings, type Environment } from '@comfy-fleet/config';
import { type CommandIo, suggestNames, UsageError } from '../command.js';

/** Connects to the API that the options, the environment or a profile name; otherwise to one on this machine. */
export async function connect(
  { url, key, profile }: AccessOptions,
  { env }: CommandIo,
  patience: Pick<FleetOptions, 'retries' | 'timeoutMs'> = {},
): Promise<Fleet> {
  const access = await findAccess({ url, key, ...(profile === undefined ? {} : { profile }) }, env);
  if (access.url !== undefined && !/^https?:\/\//.test(access.url)) {
    throw new UsageError(`${access.url} is not an API address: it must begin with http:// or https://.`);
  }
  return new Fleet({ ...(access as { url?: string; key?: string }), ...patience });
}

/** The API's address and key, as far as one source (options, profile, environment) names them. */
export interface Access {
  readonly url?: string | undefined;
  readonly key?: string | undefined;
}

interface Profiles {
  /** The profile that is used when none is named. */
  readonly default?: string;
  readonly profiles?: Readonly<Record<string, Access>>;
}

export interface AccessOptions extends Access {
  readonly profile?: string;
}

/**
 * Precedence: the options, the profile that they name, the environment, the profile that the environment names, the default
 * profile. A key is never sent to another address than the one beside it. Throws a UsageError.
 */
export async function findAccess({ profile, ...options }: AccessOptions, env?: Environment): Promise<Access> {
  const settings = callerSettings(env);
  const path = configPath(settings);
  const known = await readProfiles(path);
  const named = async (name: string | undefined): Promise<Access> => {
    if (name === undefined) return {};
    const found = known.profiles?.[name];
    if (found !== undefined) return found;
    const near = await suggestNames(name, Object.keys(known.profiles ?? {}));
    throw new UsageError(`There is no profile ${name} in ${path}${near}`);
  };
  const inherited = profile === undefined ? await named(settings.profile ?? known.default) : {};
  return settle([options, await named(profile), settings, inherited]);
}

/** The names of all profiles. */
export async function profileNames(env?: Environment): Promise<readonly string[]> {
  return Object.keys((await readProfiles(configPath(callerSettings(env)))).profiles ?? {});
}

/** Takes the first address, and the first key that does not belong to another address. */
export function settle(places: readonly Access[]): Access {
  const url = places.find((place) => place.url !== undefined)?.url;
  const key = places.find((place) => place.key !== undefined && (place.url === undefined || place.url === url))?.key;
  return { ...(url === undefined ? {} : { url }), ...(key === undefined ? {} : { key }) };
}

/** The path of the profiles, following the XDG base directories. */
function configPath({ configHome }: { readonly configHome?: string | undefined }): string {
  return join(configHome ?? join(homedir(), '.config'), 'comfy-fleet', 'config.json');
}

async function readProfiles(path: string): Promise<Profiles> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Profiles;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new UsageError(`The profiles in ${path} cannot be read: ${error instanceof Error ? error.message : error}.`);
  }
}
