import { CredentialsRefused, createComfyClient, readAbilities, type SystemStats } from '@comfy-fleet/comfyui';
import type { Config, InstanceSettings } from '@comfy-fleet/config';
import { type Abilities, FleetError } from '@comfy-fleet/contracts';
import { classesOf, judgeWorkflows, type Workflows, type WorkflowVerdict } from '@comfy-fleet/workflows';
import { showBytes } from '../text.js';

/** What a ComfyUI is and can, or why it cannot be said. */
export type Look =
  | (SystemStats & {
      /** Undefined where the workflows are not known. */
      readonly abilities: Abilities | undefined;
      readonly verdicts: readonly WorkflowVerdict[] | undefined;
    })
  | {
      /** A sentence. */
      readonly fault: string;
      /** What to do, where that is known. */
      readonly advice: string | undefined;
    };

interface Surroundings {
  readonly config: Pick<Config, 'comfyui' | 'limits'>;
  readonly workflows: Workflows | undefined;
  readonly signal: AbortSignal;
}

/** Asks an instance what it is and what it has; `label` is what it is called in a fault. Throws the signal's reason. */
export async function lookAt(
  label: string,
  { url, headers, pools }: InstanceSettings,
  { config, workflows, signal }: Surroundings,
): Promise<Look> {
  const client = createComfyClient({ baseUrl: url, instance: label, headers, timeoutMs: config.comfyui.timeoutMs });
  try {
    const stats = await client.systemStats(signal);
    if (workflows === undefined) return { ...stats, abilities: undefined, verdicts: undefined };
    const abilities = await readAbilities(client, classesOf(workflows.byName.values()), signal);
    return { ...stats, abilities, verdicts: judgeWorkflows({ abilities, pools }, workflows, config.limits) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FleetError)) throw error;
    if (error instanceof CredentialsRefused) return { fault: error.detail, advice: error.advice };
    const isOther = error.code === 'comfyui_error';
    return { fault: isOther ? `${error.detail} That is no ComfyUI.` : error.detail, advice: undefined };
  } finally {
    client.close();
  }
}

/** Its version and its devices. */
export function whatItIs({ version, devices }: SystemStats): string {
  const gpus = devices.map(({ name, vramTotal }) => {
    // PyTorch's place and allocator around it (`cuda:0 NVIDIA … : cudaMallocAsync`) say nothing to people.
    const plain = name.replace(/^\w+:\d+ /, '').replace(/ : \w+$/, '');
    return vramTotal ? `${plain} ${showBytes(vramTotal)}` : plain;
  });
  return `ComfyUI ${version ?? 'of unknown version'} with ${gpus.join(', ') || 'no device'}`;
}
