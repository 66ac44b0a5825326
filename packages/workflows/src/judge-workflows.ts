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

/** What an instance lacks of what plain requests for a workflow need; nothing: it can run it. */
export interface WorkflowVerdict {
  readonly workflow: string;
  readonly lacks: readonly Lack[];
}

/** Stands for whatever picture a job may start from. */
const INPUT = { name: `${'0'.repeat(64)}.png`, kind: 'image', width: 1024, height: 1024 } as const;

/**
 * Which workflows an instance can run, of those that may come to its pools: by what a request needs, at any level of
 * detail, that names nothing but a prompt.
 */
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
 * The checkpoint that a request for text2img has to name for this instance to run it, since the default is not there;
 * null when it need name none. Undefined when no checkpoint of it helps.
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

/** The checkpoints, or diffusion models, that the workflows could name of what an instance has. */
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
