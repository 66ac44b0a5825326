import { FleetError, LODS } from '@comfy-fleet/contracts';
import { isMedia, outputKind, type Workflow, type WorkflowInput } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { type Caller, mayRun } from '../../server/gate.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { invalidField } from '../../server/validator.js';
import { requireRegistry } from '../../workflows/find-workflow.js';
import type { LiveWorkflows, Served } from '../../workflows/live-workflows.js';

/** Pictures are made from a prompt alone, or from pictures and a prompt. */
export type Use = 'generations' | 'edits';

/** The name of the input that takes a mask. */
export const MASK = 'mask';

/** The workflows for requests that name no model or one of OpenAI's models. */
const DEFAULTS: Readonly<Record<Use, string>> = { generations: 'text2img', edits: 'img2img' };
/** Names of OpenAI's models, which clients have built in. */
const OF_OPENAI = /^(gpt-image-|chatgpt-image-|dall-e-)/;

export interface Models {
  readonly models: ReadonlyMap<string, Served>;
  /** Alternative names, each with the model that it stands for. */
  readonly aliases: ReadonlyMap<string, string>;
}

export function modelsOf({ workflows, config }: Deps, { caller }: ApiRequest): Models {
  const models = modelsFor(workflows, caller);
  return { models, aliases: new Map(Object.entries(config.compat.openaiAliases)) };
}

type Workflows = Pick<LiveWorkflows, 'served' | 'isRegistryRead'>;

/** The workflows that the key may run and that can serve as models, sorted by name. Throws queue_unavailable until known. */
export function modelsFor(workflows: Workflows, caller: Caller): Models['models'] {
  requireRegistry(workflows);
  const models = [...workflows.served].filter(([name, { workflow }]) => mayRun(caller, name) && isModel(workflow));
  return new Map(models.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A model makes pictures from a prompt, and needs no other inputs than pictures. */
function isModel({ inputs, outputs }: Workflow): boolean {
  return (
    inputs.some(({ name }) => name === 'prompt') &&
    inputs.every((input) => !isNeeded(input) || input.name === 'prompt' || input.type === 'image') &&
    outputs.some(({ className }) => ['image', 'output'].includes(outputKind(className)))
  );
}

/** The inputs that take the pictures of a request, in order. */
export function pictureInputs({ inputs }: Workflow): readonly WorkflowInput[] {
  return inputs.filter(({ name, type }) => type === 'image' && name !== MASK);
}

export function isNeeded({ required, type, default: usual }: WorkflowInput): boolean {
  return required ?? (isMedia(type) && usual === undefined);
}

function serves(use: Use, workflow: Workflow): boolean {
  if (use !== 'generations') return pictureInputs(workflow).length > 0;
  return !workflow.inputs.some((input) => input.type === 'image' && isNeeded(input));
}

/** Lists every name that a request may use as its model: workflows, alone and with each level of detail, and aliases. */
export async function listModels(deps: Deps, request: ApiRequest): Promise<Reply> {
  const { models, aliases } = modelsOf(deps, request);
  const named = [...models].flatMap(([name, served]) =>
    [name, ...LODS.map((lod) => `${name}@${lod}`)].map((id) => presentModel(id, served)),
  );
  const others = [...aliases].flatMap(([alias, target]) => {
    const served = models.get(target.split('@')[0] ?? '');
    return served === undefined ? [] : [presentModel(alias, served)];
  });
  return { status: 200, body: { object: 'list', data: [...named, ...others] } };
}

export async function getModel(deps: Deps, request: ApiRequest): Promise<Reply> {
  const { id = '' } = request.params;
  return { status: 200, body: presentModel(id, findModel(modelsOf(deps, request), id)) };
}

/** Workflows from the folder have no known creation time. */
function presentModel(id: string, { published }: Served) {
  return { id, object: 'model', created: Math.floor((published?.at ?? 0) / 1000), owned_by: 'comfy-fleet' };
}

/** Throws workflow_not_found. */
export function findModel({ models, aliases }: Models, id: string): Served {
  const model = aliases.get(id) ?? id;
  const found = models.get(readModel(model)?.workflow ?? '');
  if (found === undefined) throw notFound(model, models);
  return found;
}

export type Choice = ReturnType<typeof chooseModel>;

/**
 * Chooses the workflow and the level of detail for the model of a request. OpenAI's models, and aliases of a workflow that
 * does not serve this use, stand for the default workflow. Throws workflow_not_found, and validation_failed if the model
 * names a workflow that does not serve this use.
 */
export function chooseModel({ models, aliases }: Models, use: Use, asked: string | undefined) {
  const alias = asked === undefined ? undefined : aliases.get(asked);
  const named = readModel(alias ?? asked);
  const found = named && models.get(named.workflow)?.workflow;
  if (found !== undefined && serves(use, found)) return { workflow: found, lod: named?.lod };
  if (found !== undefined && alias === undefined) throw misused(use, found, models);
  const isOpen = asked === undefined || found !== undefined || (alias === undefined && OF_OPENAI.test(asked));
  const usual = isOpen ? models.get(DEFAULTS[use])?.workflow : undefined;
  if (usual === undefined) throw notFound(alias ?? asked ?? DEFAULTS[use], models);
  return { workflow: usual, lod: named?.lod };
}

/** Reads `workflow` or `workflow@lod`; undefined for anything else. */
function readModel(model = '') {
  const [workflow = '', level, ...more] = model.split('@');
  const lod = LODS.find((one) => one === level);
  return more.length === 0 && (level === undefined || lod !== undefined) ? { workflow, lod } : undefined;
}

function notFound(model: string, models: Models['models']): FleetError {
  const names = [...models.keys()].join(', ') || 'none';
  const detail = `${model} is not a model that this key may use; there are ${names}, each alone or with @${LODS.join(', @')}`;
  return new FleetError('workflow_not_found', detail, { errors: [{ pointer: '/model', detail }] });
}

function misused(use: Use, { name }: Workflow, models: Models['models']): FleetError {
  const others = [...models].filter(([, { workflow }]) => serves(use, workflow)).map(([other]) => other);
  const why = use === 'generations' ? 'needs a picture: use /v1/images/edits' : 'takes no picture';
  return invalidField('model', `${name} ${why}; the models for this request are: ${others.join(', ') || 'none'}`);
}
