import { FleetError, LODS, type Lod } from '@comfy-fleet/contracts';
import type { Workflow } from '@comfy-fleet/workflows';
import type { Served } from '../../workflows/live-workflows.js';
import { serves, type Use } from './models.js';

/** What a request that names a model of OpenAI's, or none, is run with. */
const DEFAULTS = { generations: 'text2img', edits: 'img2img', variations: 'img2img' } as const satisfies Record<
  Use,
  string
>;
/** Clients have these names built in. */
const OF_OPENAI = /^(gpt-image-|chatgpt-image-|dall-e-)/;

interface Choice {
  readonly workflow: Workflow;
  /** Undefined: the model names none. */
  readonly lod: Lod | undefined;
}

export interface ModelsToChoose {
  readonly models: ReadonlyMap<string, Served>;
  /** What other names stand for. */
  readonly aliases: ReadonlyMap<string, string>;
}

/**
 * The workflow that a model stands for. One of OpenAI's models, and a name that the settings give to a workflow which does
 * not do this, stand for the workflow that does by default. Throws workflow_not_found, and validation_failed for a workflow
 * that does not do what is asked.
 */
export function chooseModel({ models, aliases }: ModelsToChoose, use: Use, asked: string | undefined): Choice {
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

/** The model of that name in a list of models. Throws workflow_not_found. */
export function findModel({ models, aliases }: ModelsToChoose, id: string): Served {
  const alias = aliases.get(id);
  const found = models.get(readModel(alias ?? id)?.workflow ?? '');
  if (found === undefined) throw notFound(alias ?? id, models);
  return found;
}

/** `workflow` or `workflow@lod`. A level that there is not makes it no model; undefined then. */
function readModel(
  model: string | undefined,
): { readonly workflow: string; readonly lod: Lod | undefined } | undefined {
  const [workflow = '', level, ...more] = (model ?? '').split('@');
  const lod = LODS.find((one) => one === level);
  const isRead = more.length === 0 && (level === undefined || lod !== undefined);
  return isRead ? { workflow, lod } : undefined;
}

function notFound(model: string, models: ReadonlyMap<string, Served>): FleetError {
  const names = [...models.keys()].join(', ') || 'none';
  const detail = `${model} is no model that this key may use; there are ${names}, each alone or with @${LODS.join(', @')}`;
  return new FleetError('workflow_not_found', detail, { errors: [{ pointer: '/model', detail }] });
}

function misused(use: Use, { name }: Workflow, models: ReadonlyMap<string, Served>): FleetError {
  const others = [...models].filter(([, { workflow }]) => serves(use, workflow)).map(([other]) => other);
  const why = use === 'generations' ? 'starts from a picture, which /v1/images/edits takes' : 'takes no picture';
  const detail = `${name} ${why}; of the others ${others.join(', ') || 'none'} can be used here`;
  return new FleetError('validation_failed', detail, { errors: [{ pointer: '/model', detail }] });
}
