import {
  type Abilities,
  type GenerateRequest,
  LODS,
  PICTURE_KINDS,
  type PictureKind,
  type RequestLimits,
  type ResolvedRequest,
} from '@comfy-fleet/contracts';
import { findLacks, type Lack } from './find-lacks.js';
import type { Workflows } from './load-workflows.js';
import { poolFor, resolveRequest } from './resolve-request.js';
import { listed } from './wording.js';

/** What an instance lacks for plain requests of a workflow; empty if it can run them. */
export interface WorkflowVerdict {
  readonly workflow: string;
  readonly lacks: readonly Lack[];
}

/** Represents any input picture. */
const INPUT = { name: `${'0'.repeat(64)}.png`, kind: 'image', width: 1024, height: 1024 } as const;

/** Which workflows of its pools an instance can run: for requests at every level of detail that set only a prompt. */
export function judgeWorkflows(
  { abilities, pools }: { readonly abilities: Abilities; readonly pools: readonly string[] },
  workflows: Workflows,
  limits: RequestLimits,
): WorkflowVerdict[] {
  return PICTURE_KINDS.flatMap((kind): WorkflowVerdict[] => {
    const requests = LODS.map((lod) => plainRequest(kind, { lod }, workflows, limits));
    const { byName, profiles } = workflows;
    const coming = requests.filter(({ lod }) => pools.includes(poolFor(byName.get(kind), lod, profiles)));
    const lacks = coming.flatMap((request) => lacksOf(request, abilities, workflows));
    return coming.length === 0 ? [] : [{ workflow: kind, lacks: distinct(lacks) }];
  });
}

/**
 * The checkpoint that a request for text2img must name for this instance because the default is missing; null if it
 * need not name one, undefined if no checkpoint of the instance works.
 */
export function checkpointToName(
  abilities: Abilities,
  workflows: Workflows,
  limits: RequestLimits,
): string | null | undefined {
  const runs = (more: Pick<GenerateRequest, 'checkpoint'>) =>
    LODS.every(
      (lod) =>
        lacksOf(plainRequest('text2img', { lod, ...more }, workflows, limits), abilities, workflows).length === 0,
    );
  if (runs({})) return null;
  return checkpointsOf(abilities, workflows).find((checkpoint) => runs({ checkpoint }));
}

/** The checkpoints or diffusion models of an instance that the workflows could use. */
export function checkpointsOf(abilities: Abilities, { byName }: Workflows): string[] {
  const slots = PICTURE_KINDS.flatMap((kind) => {
    const workflow = byName.get(kind);
    return (workflow?.bindings.slots.checkpoint ?? []).map(({ node, input }) => ({
      className: workflow?.graph[node]?.class_type ?? '',
      input,
    }));
  });
  return [...new Set(slots.flatMap(({ className, input }) => abilities[className]?.[input] ?? []))];
}

function plainRequest(
  kind: PictureKind,
  request: Omit<GenerateRequest, 'prompt'>,
  { byName, profiles }: Workflows,
  limits: RequestLimits,
): ResolvedRequest {
  const workflow = byName.get(kind);
  if (workflow === undefined) throw new Error(`there is no workflow ${kind}`);
  const asked = { workflow, profiles, request: { prompt: 'anything', ...request }, limits, randomSeed: () => '0' };
  return resolveRequest(kind === 'img2img' ? { ...asked, input: INPUT } : asked);
}

function lacksOf(request: ResolvedRequest, abilities: Abilities, { byName }: Workflows): readonly Lack[] {
  const workflow = byName.get(request.workflow);
  return workflow === undefined ? [] : findLacks(workflow, request, abilities);
}

function distinct(lacks: readonly Lack[]): Lack[] {
  return [...new Map(lacks.map((lack) => [JSON.stringify(lack), lack])).values()];
}

interface Explained {
  /** Names of workflows. */
  readonly able: readonly string[];
  readonly unable: readonly string[];
  /** What is lacking and how to fix it, without duplicates, with the first workflow that needs it. */
  readonly lacks: readonly { readonly what: string; readonly fix: string; readonly workflow: string }[];
}

/** Sorts workflows by whether an instance can run them, with what it lacks for the others, for people. */
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

/** How to fix it, as an instruction. */
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
  // CHECKPOINT does not apply to diffusion models.
  if (lack.input === 'unet_name') {
    return `put the file into its models/diffusion_models and press R in ComfyUI (or restart it), or name one that is there in ${workflow}.json`;
  }
  const setting = installed === undefined ? '' : `set CHECKPOINT=${quoted(installed)}, or another that is there, or `;
  return `${setting}put the file into its models/checkpoints and press R in ComfyUI (or restart it)`;
}

/** Quoted for a shell and a .env file. */
function quoted(text: string): string {
  return /^[\w./+:@%-]+$/.test(text) ? text : `'${text}'`;
}
