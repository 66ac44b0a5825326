import {
  FleetError,
  type publishQuerySchema,
  WORKFLOW_NAME_PATTERN,
  type WorkflowInspection,
} from '@comfy-fleet/contracts';
import {
  listNodes,
  openUpload,
  type PictureTexts,
  type Place,
  parseSource,
  showJson,
  type Workflow,
  WorkflowError,
} from '@comfy-fleet/workflows';
import type { Static } from 'typebox';
import type { Deps } from '../../deps.js';
import { atPlace } from '../../orders/pointers.js';
import type { Caller } from '../../server/gate.js';
import { parseJsonBody } from '../../server/json-body.js';
import type { ApiRequest, Handler, Reply } from '../../server/messages.js';
import { catalogueFor, findServed } from '../../workflows/find-workflow.js';
import { presentChanges, presentWorkflow } from './present-workflow.js';

const NAME = new RegExp(WORKFLOW_NAME_PATTERN);

/** Publishes a workflow or a new version of it. This process serves it at once, all others within two seconds. */
export function putWorkflow(deps: Deps) {
  const { workflows, ledger, config } = deps;
  return async (request: ApiRequest, { dry_run }: Static<typeof publishQuerySchema>): Promise<Reply> => {
    const { name = '' } = request.params;
    if (!NAME.test(name)) throw invalidName(name);
    const caller = request.caller;
    const workflow = await readPublished(deps, name, request);
    const { version, text } = workflow;
    if (dry_run === 'try') await ledger.workflows.keep({ version, text });
    if (dry_run !== undefined) return { status: 200, body: showJson(await inspectWorkflow(deps, workflow, caller)) };
    const outcome = await ledger.workflows.put(name, { version, text }, caller.id);
    await workflows.readRegistry();
    const body = showJson(await presentWorkflow(deps, findServed(workflows, name), caller));
    const location = `${config.http.publicUrl ?? ''}/workflows/${encodeURIComponent(name)}`;
    return { status: outcome === 'new' ? 201 : 200, headers: { Location: location }, body };
  };
}

export function deleteWorkflow({ workflows, ledger }: Deps): Handler {
  return async ({ params: { name = '' } }) => {
    if (await ledger.workflows.delete(name)) {
      await workflows.readRegistry();
      return { status: 204 };
    }
    findServed(workflows, name);
    const detail = `${name} was not published through the API: its file is in the workflows folder on the server.`;
    throw new FleetError('workflow_is_a_file', detail);
  };
}

function invalidName(name: string): FleetError {
  const detail =
    name === 'graph'
      ? 'The name graph is reserved for jobs of unpublished graphs.'
      : 'A name has 1 to 64 characters of A-Z a-z 0-9 . _ - and begins with a letter or digit.';
  return new FleetError('validation_failed', detail, { errors: [{ pointer: '/name', detail }] });
}

/** Describes what publishing a workflow would change. The result may contain bigints. */
async function inspectWorkflow(deps: Deps, workflow: Workflow, caller: Caller): Promise<WorkflowInspection> {
  const { name, version, graph, text } = workflow;
  const served = deps.workflows.served.get(name);
  const hidesFile = served?.source === 'folder' || served?.hidesFile === true;
  const shown = { workflow, source: 'registry', hidesFile, published: undefined } as const;
  const catalogue = await catalogueFor(deps, workflow, caller);
  const { inputs = null, bindings = null, linear_data = null } = parseSource(text);
  const isSame = served?.source === 'registry' && served.workflow.version === version;
  return {
    outcome: served === undefined ? 'new' : isSame ? 'same' : 'changed',
    workflow: await presentWorkflow(deps, shown, caller),
    source: { graph: showJson(graph), inputs, bindings, linear_data },
    nodes: listNodes(graph, catalogue).map(({ id, title = null, className, widgets }) => ({
      node_id: id,
      title,
      class_type: className,
      widgets: widgets.map(({ widget, schema, value }) => ({ widget, schema: { ...schema }, value })),
    })),
    changes: served === undefined ? null : presentChanges(served.workflow, workflow, catalogue),
  };
}

/** Reads a workflow that was sent as JSON or in a picture. Throws invalid_workflow and body_too_large. */
async function readPublished(deps: Deps, name: string, request: ApiRequest): Promise<Workflow> {
  const { body, contentType } = request;
  if (!Buffer.isBuffer(body) || body.length === 0) throw invalid(['The request has no body: send the workflow in it']);
  const upload =
    contentType === 'application/json' ? await checkedText(deps, body) : await textsOf(deps, body, request);
  try {
    return openUpload(name, upload);
  } catch (error) {
    if (error instanceof WorkflowError) throw invalid(error.faults, error.places);
    throw error;
  }
}

/** Throws body_too_large for too many bytes or too much nesting. */
async function checkedText({ config }: Deps, data: Buffer): Promise<string> {
  const { maxBytes } = config.workflows;
  if (data.length > maxBytes) {
    throw new FleetError('body_too_large', `The workflow is larger than ${maxBytes} bytes.`);
  }
  // Invalid JSON is reported later, with all other faults of the workflow.
  await parseJsonBody(data, { limits: config.http.json }).catch((error: unknown) => {
    if (!(error instanceof FleetError) || error.code !== 'malformed_json') throw error;
  });
  return data.toString();
}

async function textsOf(deps: Deps, data: Buffer, { caller, signal }: ApiRequest): Promise<PictureTexts> {
  const { config, decoder, decoding } = deps;
  // Twice the limit, because the editor's own format of a graph is larger than the API format.
  const reading = () => decoder.promptOfPicture(data, 2 * config.workflows.maxBytes);
  const texts = await decoding(caller.id, reading, { signal });
  if (texts === undefined) {
    throw invalid([
      'The picture has no workflow in it: ComfyUI writes one into the PNG and WebP files that it saves, but other programs remove it',
    ]);
  }
  for (const text of [texts.prompt, texts.workflow]) if (text !== undefined) await checkedText(deps, Buffer.from(text));
  return texts;
}

/** `places` says where in the graph each fault is, if that is known. */
function invalid(faults: readonly string[], places: readonly (Place | undefined)[] = []): FleetError {
  const errors = faults.map((detail, index) => {
    const place = places[index];
    return { pointer: place === undefined ? '' : atPlace(place), detail };
  });
  return new FleetError('invalid_workflow', `${faults.join('; ')}.`, { errors });
}
