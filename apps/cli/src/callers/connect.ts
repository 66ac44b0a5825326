import { Fleet, type FleetOptions } from '@comfy-fleet/client';
import { type Surroundings, UsageError } from '../command.js';
import { type AccessOptions, findAccess } from './profiles.js';

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
