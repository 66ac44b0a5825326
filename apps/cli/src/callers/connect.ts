import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Fleet, type FleetOptions, FleetUnreachableError } from '@comfy-fleet/client';
import { callerSettings, type Environment } from '@comfy-fleet/config';
import { type CommandIo, suggestNames, UsageError } from '../command.js';

/** How long nothing may listen there, as while the API is restarted, before a command gives up. */
const PATIENCE_MS = 800;
const TRY_AGAIN_MS = 200;
/** How long an answer may take before a person is informed. */
const SLOW_MS = 1_500;

/**
 * Connects to the API that the options, the environment or a profile name; otherwise to one on this machine. Fails if nothing
 * answers, unless there are to be no retries.
 */
export async function connect(
  { url, key, profile }: AccessOptions,
  io: CommandIo,
  patience: Pick<FleetOptions, 'retries' | 'timeoutMs'> = {},
): Promise<Fleet> {
  const { key: itsKey, url: address } = await findApi(
    { url, key, ...(profile === undefined ? {} : { profile }) },
    io.env,
  );
  if (patience.retries !== 0) await untilAnswered(address, io);
  return new Fleet({ url: address, ...(itsKey === undefined ? {} : { key: itsKey }), ...patience });
}

export interface Api extends Access {
  /** Without a trailing slash. */
  readonly url: string;
}

/** The API that the options, the environment or a profile name, otherwise the one on this machine. */
export async function findApi(options: AccessOptions, env?: Environment): Promise<Api> {
  const access = await findAccess(options, env);
  const url = (access.url ?? callerSettings(env).localUrl).replace(/\/+$/, '');
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UsageError(`${url} is not an API address: it must begin with http:// or https://.`);
  }
  return { ...access, url };
}

/** Throws if nothing listens there. If there is no answer in time, it says so to a person, and the command waits as usual. */
async function untilAnswered(address: string, { terminal, info }: CommandIo): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  const url = new URL(`${address}/livez`);
  for (;;) {
    try {
      const { body } = await fetch(url, { signal: AbortSignal.timeout(SLOW_MS) });
      await body?.cancel();
      return;
    } catch (error) {
      const { name, cause } = error as Error;
      if (name === 'TimeoutError') {
        if (terminal !== undefined) info(`${url.origin} does not answer yet. Waiting.`);
        return;
      }
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

/** Stores a profile, as the default, for this user only. Resolves to the path. */
export async function saveProfile(name: string, access: Access, env?: Environment): Promise<string> {
  const path = configPath(callerSettings(env));
  const known = await readProfiles(path);
  await mkdir(dirname(path), { recursive: true });
  const profiles = { ...known, default: name, profiles: { ...known.profiles, [name]: access } };
  await writeFile(path, `${JSON.stringify(profiles, undefined, 2)}\n`, { mode: 0o600 });
  await chmod(path, 0o600); // also if it was there
  return path;
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
