import { type Abilities, JOB_KINDS, LODS, type RequestLimits } from '@comfy-fleet/contracts';
import { findLacks, type Lack, resolveRequest, type Workflows } from '@comfy-fleet/workflows';
import { type Finding, reportOf } from '../finding.js';

/** Stands for whatever picture a job may start from. */
const INPUT = { sha256: '0'.repeat(64), width: 1024, height: 1024 };

/** What an instance lacks of what a plain request needs at any level of detail; one finding when it lacks nothing. */
export function lackFindings(
  address: string,
  workflows: Workflows,
  abilities: Abilities,
  limits: RequestLimits,
): Finding[] {
  const { ok, fail } = reportOf('comfyui-models');
  const lacks = new Map<string, { readonly lack: Lack; readonly workflow: string }>();
  for (const kind of JOB_KINDS) {
    const template = workflows.templates.get(kind);
    if (template === undefined) continue;
    for (const lod of LODS) {
      const request = { prompt: 'anything', lod };
      const asked = { kind, request, limits, randomSeed: () => '0', ...(kind === 'img2img' ? { input: INPUT } : {}) };
      for (const lack of findLacks(template, resolveRequest(asked, workflows), abilities)) {
        const name = lack.input === undefined ? lack.className : `${lack.className} ${lack.input} ${lack.value}`;
        if (!lacks.has(name)) lacks.set(name, { lack, workflow: kind });
      }
    }
  }
  if (lacks.size === 0) return [ok(`${address} has every node and model that the workflows need`)];
  return [...lacks.values()].map(({ lack, workflow }) =>
    fail(`${address} lacks ${whatOf(lack)}, which ${workflow}.json needs`, mendOf(lack, workflow)),
  );
}

function whatOf(lack: Lack): string {
  if (lack.input === undefined) return `the node class ${lack.className}`;
  const has = lack.choices.length === 0 ? 'there is none' : `it has ${few(lack.choices)}`;
  return `${lack.value} for ${lack.input} of ${lack.className} (${has})`;
}

function mendOf(lack: Lack, workflow: string): string {
  if (lack.input === undefined) {
    return `install the custom node that brings ${lack.className} there and restart ComfyUI, or take it out of ${workflow}.json`;
  }
  if (lack.parameter === 'sampler_name' || lack.parameter === 'scheduler') {
    return 'name one that is there in lod-profiles.json, or update ComfyUI';
  }
  const folder = lack.parameter === 'checkpoint' ? 'models/checkpoints' : 'models folder';
  return `put the file into its ${folder} and press R in ComfyUI (or restart it), or name one that is there in ${workflow}.json`;
}

function few(choices: readonly string[]): string {
  const shown = choices.slice(0, 5).join(', ');
  return choices.length > 5 ? `${shown} and ${choices.length - 5} more` : shown;
}
