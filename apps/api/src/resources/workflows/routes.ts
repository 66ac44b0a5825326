import {
  changesQuerySchema,
  FleetError,
  graphQuerySchema,
  publishQuerySchema,
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
  description: 'Workflows of your own: what they take and give, and how they are published.',
};

const LOOSE = { additionalProperties: true };
const anyObject = (description?: string) =>
  Type.Object({}, description === undefined ? LOOSE : { ...LOOSE, description });

const GRAPH = anyObject('A graph in the API format of ComfyUI.');
const FILE = Type.Optional(anyObject());
const SOURCE = Type.Object({ graph: GRAPH, inputs: FILE, bindings: FILE }, LOOSE);

/** What `PUT /workflows/:name` takes as JSON: a graph, a `prompt`, or `graph` with an inputs file beside it. */
const publishSchema = Type.Object(
  {
    graph: Type.Optional(GRAPH),
    prompt: Type.Optional(anyObject('In place of `graph`.')),
    extra_data: Type.Optional(anyObject('Beside `prompt`: may have the choice of App mode.')),
    inputs: Type.Optional(anyObject('What an inputs file has.')),
    bindings: Type.Optional(anyObject('What a bindings file has.')),
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
      summary: 'List the workflows, and what is wrong with those that cannot be used',
      answers: { 200: { description: 'Workflows.', json: workflowListSchema } },
      handler: ({ caller }) => {
        requireRegistry(workflows);
        const own = caller;
        const served = [...workflows.served].filter(([name]) => mayRun(own, name)).sort(([a], [b]) => (a < b ? -1 : 1));
        const data = served.map(([name, { workflow, source, published }]) => ({
          name,
          version: workflow.version,
          description: workflow.description ?? null,
          source,
          ...presentPublished(published),
          url: `${config.http.publicUrl ?? ''}/workflows/${encodeURIComponent(name)}`,
        }));
        const isOwn = (name: string | null) => (name === null ? own.workflows === undefined : mayRun(own, name));
        const body: WorkflowList = { data, faults: workflows.faults.filter(({ name }) => isOwn(name)) };
        return { status: 200, body };
      },
    },
    'GET /workflows/:name': {
      ...common,
      id: 'getWorkflow',
      summary: 'What a workflow takes, gives and needs, and who can run it',
      description:
        '`inputs` is JSON Schema 2020-12. Types, bounds and options are those of the instances that may get its jobs, as ' +
        'far as they are known, otherwise those of the values in the graph. What the instances lack refuses jobs, not the ' +
        'workflow.',
      answers: { 200: { description: 'The workflow.', json: workflowSchema } },
      handler: async (request) => {
        const served = ownServed(deps, request);
        return { status: 200, body: showJson(await presentWorkflow(deps, served, request.caller)) };
      },
    },
    'PUT /workflows/:name': withQuery({
      access: 'admin',
      reads: 'workflow',
      id: 'publishWorkflow',
      summary: 'Publish a workflow, or another version of it',
      description:
        'Send a graph that you exported with Workflow → Export (API), the body of a `POST /prompt`, `{"graph": …}` with an ' +
        'inputs file beside it, or a PNG or WebP that ComfyUI saved. All processes of the fleet have it within two seconds. ' +
        'It wins over a file of that name. Jobs that were accepted keep their version. `text2img` and `img2img` must have ' +
        'what `POST /generate` and `POST /img2img` set. With `dry_run` nothing is published.',
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
          description: 'Another version, or the one that it had; with `dry_run` what it would be.',
          json: Type.Union([workflowSchema, workflowInspectionSchema]),
          headers: { Location: 'sometimes' },
        },
        201: { description: 'A new workflow.', json: workflowSchema, headers: { Location: 'always' } },
      },
      errors: ['invalid_workflow', 'overloaded'],
      handler: putWorkflow(deps),
    }),
    'DELETE /workflows/:name': {
      access: 'admin',
      id: 'deleteWorkflow',
      summary: 'Delete a published workflow',
      description: 'Jobs that were accepted run all the same. A file of that name in the folder serves again.',
      answers: { 204: { description: 'It is gone.' } },
      errors: ['workflow_not_found', 'workflow_is_a_file'],
      handler: deleteWorkflow(deps),
    },
    'GET /workflows/:name/versions': {
      ...common,
      id: 'listVersions',
      summary: 'The versions of a workflow that are kept',
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
    'GET /workflows/:name/graph': withQuery({
      ...opened,
      id: 'getGraph',
      summary: 'The graph of a workflow, in the API format',
      query: graphQuerySchema,
      answers: { 200: { description: 'The graph.', json: GRAPH } },
      handler: async (request, { version }) => {
        const { name } = ownServed(deps, request).workflow;
        return { status: 200, body: showJson((await findVersion(deps, name, version)).graph) };
      },
    }),
    'GET /workflows/:name/source': withQuery({
      ...opened,
      id: 'getSource',
      summary: 'All that a workflow consists of, as PUT takes it',
      description: 'To edit it, to publish an older version again, or to take it to another fleet.',
      query: graphQuerySchema,
      answers: { 200: { description: 'The graph, with what is kept beside it.', json: SOURCE } },
      handler: async (request, { version }) => {
        const { name } = ownServed(deps, request).workflow;
        return { status: 200, body: (await findVersion(deps, name, version)).text };
      },
    }),
    'GET /workflows/:name/changes': withQuery({
      ...opened,
      id: 'getChanges',
      summary: 'What a version of a workflow does differently from another',
      query: changesQuerySchema,
      answers: { 200: { description: 'Changes.', json: workflowChangesSchema } },
      handler: async (request, { from, to }) => {
        const { name } = ownServed(deps, request).workflow;
        const after = await findVersion(deps, name, to);
        const before = await findVersion(deps, name, from ?? (await versionBefore(deps, name, after.version)));
        return { status: 200, body: showJson(presentChanges(before, after, await catalogueFor(deps, after))) };
      },
    }),
  });
}

async function versionBefore(deps: Deps, name: string, version: string): Promise<string> {
  const known = await versionsOf(deps, name);
  const before = known[known.indexOf(version) + 1];
  if (known.includes(version) && before !== undefined) return before;
  throw new FleetError('workflow_not_found', `No version of ${name} is kept that is older than ${version}.`);
}

/** Throws workflow_not_found, and forbidden for a workflow that the key may not run. */
function ownServed({ workflows }: Deps, { params: { name = '' }, caller }: ApiRequest): Served {
  const served = findServed(workflows, name, caller);
  requireMayRun(caller, served.workflow);
  return served;
}
