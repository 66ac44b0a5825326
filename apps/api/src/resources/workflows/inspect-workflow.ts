import type { WorkflowInspection } from '@comfy-fleet/contracts';
import { listNodes, parseSource, showJson, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/caller.js';
import { catalogueFor } from '../../workflows/catalogue-for.js';
import { presentChanges } from './present-changes.js';
import { presentWorkflow } from './present-workflow.js';

/** What publishing a workflow would come to; has bigints in it. */
export async function inspectWorkflow(deps: Deps, workflow: Workflow, caller: Caller): Promise<WorkflowInspection> {
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
