import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Fleet, type FleetOptions, FleetUnreachableError } from '@comfy-fleet/client';
import { callerSettings, type Environment } from '@comfy-fleet/config';
import { type CommandIo, suggestNames, UsageError } from '../command.js';

/** How long nothing may listen there, as while the API is restarted, before a command gives up. */
const PATIENCE_MS = 1_500;
const TRY_AGAIN_MS = 200;

/**
 * Connects to the API that the options, the environment or a profile name; otherwise to one on this machine. Fails if nothing
 * answers, unless there are to be no retries.
 */
export async function connect(
  { url, key, profile }: AccessOptions,
  { env, info }: CommandIo,
  patience: Pick<FleetOptions, 'retries' | 'timeoutMs'> = {},
): Promise<Fleet> {
  const access = await findAccess({ url, key, ...(profile === undefined ? {} : { profile }) }, env);
  const address = access.url ?? callerSettings(env).localUrl;
  if (!/^https?:\/\//.test(address) || !URL.canParse(address)) {
    throw new UsageError(`${address} is not an API address: it must begin with http:// or https://.`);
  }
  if (patience.retries !== 0) await untilAnswered(address, info);
  return new Fleet({ ...(access as { key?: string }), url: address, ...patience });
}

/** Throws if nothing listens there. If there is no answer in time, it says so, and the command waits as usual. */
async function untilAnswered(address: string, info: CommandIo['info']): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  const url = new URL('livez', address.endsWith('/') ? address : `${address}/`);
  for (;;) {
    try {
      const { body } = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
      await body?.cancel();
      return;
    } catch (error) {
      const { name, cause } = error as Error;
      if (name === 'TimeoutError') return info(`${url.origin} does not answer yet. Waiting.`);
      if (performance.now() > end) {
        const reason = cause instanceof Error ? cause.message : String(error);
        throw new FleetUnreachableError(`${url.origin} does not answer: ${reason}`, { cause });
      }
      await delay(TRY_AGAIN_MS);
    }
  }
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
