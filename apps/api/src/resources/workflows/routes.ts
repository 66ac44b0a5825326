import {
  changesQuerySchema,
  FleetError,
  publishQuerySchema,
  sourceQuerySchema,
  type WorkflowList,
  type WorkflowVersions,
  workflowChangesSchema,
  workflowInspectionSchema,
  workflowListSchema,
  workflowSchema,
  workflowVersionsSchema,
} from '@comfy-fleet/contracts';
import { showJson } from '@comfy-fleet/workflows';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { type ApiRoute, tagged, withQuery } from '../../openapi/route.js';
import { mayRun, requireMayRun } from '../../server/gate.js';
import type { ApiRequest } from '../../server/messages.js';
import { catalogueFor, findServed, findVersion, requireRegistry, versionsOf } from '../../workflows/find-workflow.js';
import type { Served } from '../../workflows/live-workflows.js';
import { deleteWorkflow, putWorkflow } from './change-workflow.js';
import { presentChanges, presentPublished, presentWorkflow } from './present-workflow.js';

const WORKFLOWS = {
  name: 'workflows',
  description: 'Your own workflows: their inputs and outputs, and how to publish them.',
};

const LOOSE = { additionalProperties: true };
const anyObject = (description?: string) =>
  Type.Object({}, description === undefined ? LOOSE : { ...LOOSE, description });

const GRAPH = anyObject('A graph in the API format of ComfyUI.');
const FILE = Type.Optional(anyObject());
const SOURCE = Type.Object({ graph: GRAPH, inputs: FILE, bindings: FILE }, LOOSE);

/** The JSON body of `PUT /workflows/:name`: a graph, a `prompt`, or `graph` together with an inputs file. */
const publishSchema = Type.Object(
  {
    graph: Type.Optional(GRAPH),
    prompt: Type.Optional(anyObject('Instead of `graph`.')),
    extra_data: Type.Optional(anyObject('Together with `prompt`: may contain the choices of App mode.')),
    inputs: Type.Optional(anyObject('The contents of an inputs file.')),
    bindings: Type.Optional(anyObject('The contents of a bindings file.')),
  },
  LOOSE,
);

const EXAMPLE_GRAPH = {
  '1': { class_type: 'LoadImage', inputs: { image: 'example.png' }, _meta: { title: 'input:picture' } },
  '2': { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
  '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'x' } },
};

export function workflowRoutes(deps: Deps): ApiRoute[] {
  const { config, ledger, workflows } = deps;
  const common = { access: 'jobs', errors: ['workflow_not_found'] } as const;
  const opened = { ...common, errors: [...common.errors, 'invalid_workflow'] } as const;
  return tagged(WORKFLOWS, {
    'GET /workflows': {
      access: 'jobs',
      id: 'listWorkflows',
      summary: 'List the workflows, and the faults of those that cannot be used',
      answers: { 200: { description: 'Workflows.', json: workflowListSchema } },
      handler: ({ caller }) => {
        requireRegistry(workflows);
        const served = [...workflows.served]
          .filter(([name]) => mayRun(caller, name))
          .sort(([a], [b]) => (a < b ? -1 : 1));
        const data = served.map(([name, { workflow, source, published }]) => ({
          name,
          version: workflow.version,
          description: workflow.description ?? null,
          source,
          ...presentPublished(published),
          url: `${config.http.publicUrl ?? ''}/workflows/${encodeURIComponent(name)}`,
        }));
        const isOwn = (name: string | null) => (name === null ? caller.workflows === undefined : mayRun(caller, name));
        const body: WorkflowList = { data, faults: workflows.faults.filter(({ name }) => isOwn(name)) };
        return { status: 200, body };
      },
    },
    'GET /workflows/:name': {
      ...common,
      id: 'getWorkflow',
      summary: 'Read the inputs and outputs of a workflow, and which instances can run it',
      description:
        '`inputs` is JSON Schema 2020-12. Types, bounds and options come from the instances that may get its jobs, or ' +
        'from the values in the graph as long as none of them is known. If the instances lack something, jobs are refused, ' +
        'but not the workflow.',
      answers: { 200: { description: 'The workflow.', json: workflowSchema } },
      handler: async (request) => {
        const served = ownServed(deps, request);
        const { caller } = request;
        const answer = await deps.heavyReads(caller.id, () => presentWorkflow(deps, served, caller));
        return { status: 200, body: showJson(answer) };
      },
    },
    'PUT /workflows/:name': withQuery({
      access: 'admin',
      reads: 'workflow',
      id: 'publishWorkflow',
      summary: 'Publish a workflow or a new version of it',
      description:
        'Send a graph that you exported with Workflow → Export (API), the body of a `POST /prompt`, `{"graph": …}` with an ' +
        'inputs file beside it, or a PNG or WebP that ComfyUI saved. All processes of the fleet serve it within two ' +
        'seconds. It takes precedence over a file of that name. Accepted jobs keep their version. `text2img` and `img2img` ' +
        'must have the inputs that `POST /generate` and `POST /img2img` set. With `dry_run` nothing is published.',
      query: publishQuerySchema,
      body: {
        json: publishSchema,
        files: ['image/png', 'image/webp'],
        examples: {
          graph: EXAMPLE_GRAPH,
          'with an inputs file': {
            graph: EXAMPLE_GRAPH,
            inputs: {
              description: 'Inverts a picture',
              inputs: { picture: { node: '1', description: 'Any picture' } },
            },
          },
        },
      },
      answers: {
        200: {
          description: 'The new version, or the same as before; with `dry_run`, what publishing would change.',
          json: Type.Union([workflowSchema, workflowInspectionSchema]),
        },
        201: { description: 'A new workflow.', json: workflowSchema, headers: ['Location'] },
      },
      errors: ['invalid_workflow', 'overloaded'],
      handler: putWorkflow(deps),
    }),
    'DELETE /workflows/:name': {
      access: 'admin',
      id: 'deleteWorkflow',
      summary: 'Delete a published workflow',
      description: 'Accepted jobs still run. A file of that name in the folder is served again.',
      answers: { 204: { description: 'The workflow has been deleted.' } },
      errors: ['workflow_not_found', 'workflow_is_a_file'],
      handler: deleteWorkflow(deps),
    },
    'GET /workflows/:name/versions': {
      ...common,
      id: 'listVersions',
      summary: 'List the stored versions of a workflow',
      answers: { 200: { description: 'Versions.', json: workflowVersionsSchema } },
      handler: async (request) => {
        const { workflow, source } = ownServed(deps, request);
        const known = source === 'folder' ? undefined : (await ledger.workflows.list()).get(workflow.name);
        const body: WorkflowVersions = {
          data: known?.map((one) => ({ version: one.version, ...presentPublished(one) })) ?? [
            { version: workflow.version, ...presentPublished(undefined) },
          ],
        };
        return { status: 200, body };
      },
    },
    'GET /workflows/:name/source': withQuery({
      ...opened,
      id: 'getSource',
      summary: 'Read the whole source of a workflow, as PUT accepts it',
      description: 'For editing it, publishing an older version again, or moving it to another fleet.',
      query: sourceQuerySchema,
      answers: { 200: { description: 'The graph, with its inputs or bindings file.', json: SOURCE } },
      handler: async (request, { version }) => {
        const { name } = ownServed(deps, request).workflow;
        return { status: 200, body: (await findVersion(deps, name, version)).text };
      },
    }),
    'GET /workflows/:name/changes': withQuery({
      ...opened,
      id: 'getChanges',
      summary: 'Compare two versions of a workflow',
      query: changesQuerySchema,
      answers: { 200: { description: 'Changes.', json: workflowChangesSchema } },
      handler: async (request, { from, to }) => {
        const { name } = ownServed(deps, request).workflow;
        const after = await findVersion(deps, name, to);
        const before = await findVersion(deps, name, from ?? (await versionBefore(deps, name, after.version)));
        return {
          status: 200,
          body: showJson(presentChanges(before, after, await catalogueFor(deps, after, request.caller))),
        };
      },
    }),
  });
}

async function versionBefore(deps: Deps, name: string, version: string): Promise<string> {
  const known = await versionsOf(deps, name);
  const before = known[known.indexOf(version) + 1];
  if (known.includes(version) && before !== undefined) return before;
  throw new FleetError('workflow_not_found', `${name} has no stored version that is older than ${version}.`);
}

/** Throws workflow_not_found, and forbidden for a workflow that the key may not run. */
function ownServed({ workflows }: Deps, { params: { name = '' }, caller }: ApiRequest): Served {
  const served = findServed(workflows, name, caller);
  requireMayRun(caller, served.workflow);
  return served;
}
