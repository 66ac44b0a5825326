import type { Lack } from './find-lacks.js';
import type { WorkflowVerdict } from './judge-workflows.js';
import { listed } from './listed.js';

interface Explained {
  /** Names of workflows. */
  readonly able: readonly string[];
  readonly unable: readonly string[];
  /** What is lacking and what to do about it, each once, with the first workflow that needs it. */
  readonly lacks: readonly { readonly what: string; readonly fix: string; readonly workflow: string }[];
}

/** Which workflows an instance can run, and what it lacks for the others, for people. */
export function explainVerdicts(verdicts: readonly WorkflowVerdict[]): Explained {
  const lacks = new Map<string, Explained['lacks'][number]>();
  for (const { workflow, lacks: found } of verdicts) {
    for (const lack of found) {
      const what = describeLack(lack);
      if (!lacks.has(what)) lacks.set(what, { what, fix: fixFor(lack, workflow), workflow });
    }
  }
  const namesOf = (some: readonly WorkflowVerdict[]) => some.map(({ workflow }) => workflow);
  return {
    able: namesOf(verdicts.filter((verdict) => verdict.lacks.length === 0)),
    unable: namesOf(verdicts.filter((verdict) => verdict.lacks.length > 0)),
    lacks: [...lacks.values()],
  };
}

/** What is lacking, so that "it lacks <…>" is a sentence. */
export function describeLack(lack: Lack): string {
  if (lack.input === undefined) return `the node class ${lack.className}`;
  const has = lack.choices.length === 0 ? 'there is none' : `it has ${listed(lack.choices)}`;
  return `${lack.value} for ${lack.input} of ${lack.className} (${has})`;
}

/** What to do about it, as an order. */
function fixFor(lack: Lack, workflow: string): string {
  if (lack.input === undefined) {
    return `install the custom node that brings ${lack.className} there and restart ComfyUI, or take it out of ${workflow}.json`;
  }
  if (lack.setBy === 'sampler' || lack.setBy === 'scheduler') {
    return 'name one that is there in lod-profiles.json, or update ComfyUI';
  }
  if (lack.setBy !== 'checkpoint') {
    return `put the file into its models folder and press R in ComfyUI (or restart it), or name one that is there in ${workflow}.json`;
  }
  const [installed] = lack.choices;
  // CHECKPOINT is not for diffusion models.
  if (lack.input === 'unet_name') {
    return `put the file into its models/diffusion_models and press R in ComfyUI (or restart it), or name one that is there in ${workflow}.json`;
  }
  const setting = installed === undefined ? '' : `set CHECKPOINT=${quoted(installed)}, or another that is there, or `;
  return `${setting}put the file into its models/checkpoints and press R in ComfyUI (or restart it)`;
}

/** As a shell and a .env file take it. */
function quoted(text: string): string {
  return /^[\w./+:@%-]+$/.test(text) ? text : `'${text}'`;
}
