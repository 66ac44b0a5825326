import { FleetError, publishQuerySchema, WORKFLOW_NAME_PATTERN, type WorkflowInspection } from '@comfy-fleet/contracts';
import { listNodes, parseSource, showJson, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { type Caller, knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/validator.js';
import { catalogueFor } from '../../workflows/catalogue-for.js';
import { exactJson } from '../../workflows/exact-json.js';
import { findServed } from '../../workflows/find-served.js';
import { presentChanges } from './present-changes.js';
import { presentWorkflow } from './present-workflow.js';
import { readPublished } from './read-published.js';

const NAME = new RegExp(WORKFLOW_NAME_PATTERN);

/** Publishes a workflow, or another version of it. All processes of the fleet have it within two seconds, this one now. */
export function putWorkflow(deps: Deps): Handler {
  const { workflows, ledger, config } = deps;
  const limits = { maxBytes: config.workflows.maxBytes, json: config.http.json };
  const readQuery = createQueryReader(publishQuerySchema);
  return async ({ params: { name = '' }, query, body: sent, contentType, caller }) => {
    if (!NAME.test(name)) throw oddName(name);
    const { dry_run } = readQuery(query);
    const workflow = await readPublished(name, { body: sent, contentType }, limits);
    const { version, text } = workflow;
    if (dry_run === 'try') await ledger.workflows.keep({ version, text });
    if (dry_run !== undefined) return exactJson(200, await inspectWorkflow(deps, workflow, knownCaller(caller)));
    const outcome = await ledger.workflows.put(name, { version, text }, knownCaller(caller).id);
    await workflows.readRegistry();
    const body = await presentWorkflow(deps, findServed(workflows, name), knownCaller(caller));
    const location = `${config.http.publicUrl ?? ''}/workflows/${encodeURIComponent(name)}`;
    return exactJson(outcome === 'new' ? 201 : 200, body, { Location: location });
  };
}

/** Takes a published workflow away. A file of that name in the folder serves again. */
export function deleteWorkflow({ workflows, ledger }: Deps): Handler {
  return async ({ params: { name = '' } }) => {
    if (await ledger.workflows.delete(name)) {
      await workflows.readRegistry();
      return { status: 204 };
    }
    findServed(workflows, name);
    const detail = `${name} was not published through the API: its file is in the folder of the workflows on the server.`;
    throw new FleetError('workflow_is_a_file', detail);
  };
}

function oddName(name: string): FleetError {
  const detail =
    name === 'graph'
      ? 'The name graph is taken: jobs of graphs that are not published bear it.'
      : 'A name has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit.';
  return new FleetError('validation_failed', detail, { errors: [{ pointer: '/name', detail }] });
}

/** What publishing a workflow would come to; has bigints in it. */
async function inspectWorkflow(deps: Deps, workflow: Workflow, caller: Caller): Promise<WorkflowInspection> {
  const { name, version, graph, text } = workflow;
  const served = deps.workflows.served.get(name);
  const hidesFile = served?.source === 'folder' || served?.hidesFile === true;
  const knownCatalogue = catalogueFor(deps, workflow);
  const shown = { workflow, source: 'registry', hidesFile, published: undefined } as const;
  const answer = await presentWorkflow(deps, shown, caller, knownCatalogue);
  const catalogue = await knownCatalogue;
  const { inputs = null, bindings = null, linear_data = null } = parseSource(text);
  const isSame = served?.source === 'registry' && served.workflow.version === version;
  return {
    outcome: served === undefined ? 'new' : isSame ? 'same' : 'changed',
    workflow: answer,
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
