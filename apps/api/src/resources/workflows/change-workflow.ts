import { FleetError, publishQuerySchema, WORKFLOW_NAME_PATTERN } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/query-reader.js';
import { exactJson } from '../../workflows/exact-json.js';
import { findServed } from '../../workflows/find-served.js';
import { inspectWorkflow } from './inspect-workflow.js';
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
