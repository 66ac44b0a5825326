import { CredentialsRefused, createComfyClient } from '@comfy-fleet/comfyui';
import { type Config, type Environment, type InstanceSettings, readInstances } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { type Catalogue, unionOf } from '@comfy-fleet/workflows';
import { showUrl } from '../text.js';

const DEADLINE_MS = 30_000;

/** The known node classes, and sentences that say where they come from. */
export interface Asked {
  readonly catalogue: Catalogue | undefined;
  readonly summary: string;
}

/** Asks the named ComfyUI for its node classes, or all of the settings, and merges the answers. */
export async function askCatalogue(
  comfyui: string | undefined,
  config: Config,
  env: Environment | undefined,
): Promise<Asked> {
  const named = comfyui === undefined ? undefined : [{ name: 'comfyui', url: comfyui, headers: {} }];
  const instances = named ?? (await readInstances(config, env));
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const answers = await Promise.all(instances.map((instance) => ask(instance, config, signal)));
  const known = answers.flatMap(({ catalogue }) => (catalogue === undefined ? [] : [catalogue]));
  const faults = answers.flatMap(({ fault }) => fault ?? []);
  if (known.length === 0) {
    const why = faults.length > 0 ? faults : ['COMFYUI_URLS names no ComfyUI.'];
    const summary = 'Types are taken only from the values in the graph. Name a running ComfyUI with --comfyui <url>.';
    return { catalogue: undefined, summary: [...why, summary].join(' ') };
  }
  const answered = answers.flatMap(({ url, fault }) => (fault === undefined ? [showUrl(url)] : []));
  const summary = [`Types, bounds and options come from ${answered.join(' and ')}.`, ...faults].join(' ');
  return { catalogue: unionOf(known), summary };
}

async function ask(
  { name, url, headers }: Pick<InstanceSettings, 'name' | 'url' | 'headers'>,
  { comfyui: { timeoutMs } }: Config,
  signal: AbortSignal,
): Promise<{ url: string; catalogue?: Catalogue; fault?: string }> {
  const client = createComfyClient({ baseUrl: url, instance: `${name} (${showUrl(url)})`, headers, timeoutMs });
  try {
    return { url, catalogue: await client.catalogue(signal) };
  } catch (error) {
    if (signal.aborted) return { url, fault: `${showUrl(url)} did not answer within ${DEADLINE_MS / 1000} s.` };
    if (!(error instanceof FleetError)) throw error;
    return { url, fault: error instanceof CredentialsRefused ? `${error.detail} ${error.advice}` : error.detail };
  } finally {
    client.close();
  }
}
