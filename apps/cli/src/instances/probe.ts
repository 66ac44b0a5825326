import { CredentialsRefused, createComfyClient, readAbilities, type SystemStats } from '@comfy-fleet/comfyui';
import type { Config, InstanceSettings } from '@comfy-fleet/config';
import { type Abilities, FleetError } from '@comfy-fleet/contracts';
import { classesOf, judgeWorkflows, type Workflows, type WorkflowVerdict } from '@comfy-fleet/workflows';
import { showBytes } from '../text.js';

/** What a ComfyUI is and can run, or why that is unknown. */
export type Probe =
  | (SystemStats & {
      /** Undefined if the workflows could not be loaded. */
      readonly abilities: Abilities | undefined;
      readonly verdicts: readonly WorkflowVerdict[] | undefined;
    })
  | {
      /** A sentence. */
      readonly fault: string;
      /** What to do, if known. */
      readonly advice: string | undefined;
    };

interface ProbeContext {
  readonly config: Pick<Config, 'comfyui' | 'limits'>;
  readonly workflows: Workflows | undefined;
  readonly signal: AbortSignal;
}

/** Asks an instance what it is and what it has; `label` names it in a fault. Throws the signal's reason. */
export async function probeInstance(
  label: string,
  { url, headers, pools }: InstanceSettings,
  { config, workflows, signal }: ProbeContext,
): Promise<Probe> {
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
    return { fault: isOther ? `${error.detail} It is not a ComfyUI.` : error.detail, advice: undefined };
  } finally {
    client.close();
  }
}

/** The version and devices of a ComfyUI. */
export function describeStats({ version, devices }: SystemStats): string {
  const gpus = devices.map(({ name, vramTotal }) => {
    // PyTorch adds the device number and allocator (`cuda:0 NVIDIA … : cudaMallocAsync`), which we strip.
    const plain = name.replace(/^\w+:\d+ /, '').replace(/ : \w+$/, '');
    return vramTotal ? `${plain} ${showBytes(vramTotal)}` : plain;
  });
  return `ComfyUI ${version ?? 'of unknown version'} with ${gpus.join(', ') || 'no device'}`;
}
