import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Fleet, type FleetOptions } from '@comfy-fleet/client';
import { callerSettings, type Environment } from '@comfy-fleet/config';
import { butThereIs, type Surroundings, UsageError } from '../command.js';

/** The API that the options, the environment or a profile name; without any, one of this machine. */
export async function connect(
  { url, key, profile }: AccessOptions,
  { env }: Surroundings,
  patience: Pick<FleetOptions, 'retries' | 'timeoutMs'> = {},
): Promise<Fleet> {
  const access = await findAccess({ url, key, ...(profile === undefined ? {} : { profile }) }, env);
  if (access.url !== undefined && !/^https?:\/\//.test(access.url)) {
    throw new UsageError(`${access.url} is no address of an API: it begins with http:// or https://.`);
  }
  return new Fleet({ ...(access as { url?: string; key?: string }), ...patience });
}

/** Where the API is and what it is asked with, as one place says it. */
export interface Access {
  readonly url?: string | undefined;
  readonly key?: string | undefined;
}

interface Profiles {
  /** The one that is used when none is named. */
  readonly default?: string;
  readonly profiles?: Readonly<Record<string, Access>>;
}

export interface AccessOptions extends Access {
  readonly profile?: string;
}

/**
 * The options first, then the profile that they name, the environment, the profile that that names, and the one that is the
 * default. A key that stands beside one address is not sent to another. Throws a UsageError.
 */
export async function findAccess({ profile, ...options }: AccessOptions, env?: Environment): Promise<Access> {
  const settings = callerSettings(env);
  const path = configPath(settings);
  const known = await readProfiles(path);
  const named = async (name: string | undefined): Promise<Access> => {
    if (name === undefined) return {};
    const found = known.profiles?.[name];
    if (found !== undefined) return found;
    const near = await butThereIs(name, Object.keys(known.profiles ?? {}));
    throw new UsageError(`There is no profile ${name} in ${path}${near}`);
  };
  const inherited = profile === undefined ? await named(settings.profile ?? known.default) : {};
  return settle([options, await named(profile), settings, inherited]);
}

/** Those that there are. */
export async function profileNames(env?: Environment): Promise<readonly string[]> {
  return Object.keys((await readProfiles(configPath(callerSettings(env)))).profiles ?? {});
}

/** The first address, and the first key that is not another address's. */
export function settle(places: readonly Access[]): Access {
  const url = places.find((place) => place.url !== undefined)?.url;
  const key = places.find((place) => place.key !== undefined && (place.url === undefined || place.url === url))?.key;
  return { ...(url === undefined ? {} : { url }), ...(key === undefined ? {} : { key }) };
}

/** Of the profiles, as the XDG base directories have it. */
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
