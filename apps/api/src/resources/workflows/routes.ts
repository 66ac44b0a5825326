import {
  changesQuerySchema,
  graphQuerySchema,
  publishQuerySchema,
  type WorkflowList,
  workflowChangesSchema,
  workflowInspectionSchema,
  workflowListSchema,
  workflowSchema,
  workflowVersionsSchema,
} from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import type { AnswerDoc, ApiRoute } from '../../openapi/operation.js';
import { knownCaller, mayRun } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { requireRegistry } from '../../workflows/find-served.js';
import { deleteWorkflow, putWorkflow } from './change-workflow.js';
import { getChanges, getGraph, getSource, getVersions, getWorkflow } from './get-workflow.js';
import { presentPublished } from './present-workflow.js';

const WORKFLOWS = {
  name: 'workflows',
  description: 'Workflows of your own: what they take and give, and how they are published.',
};
export const WORKFLOW_NAME = Type.String({ description: 'The name of a workflow.' });

const WHOLE: AnswerDoc = { description: 'The workflow.', content: { 'application/json': workflowSchema } };
const PUBLISHED: AnswerDoc = { ...WHOLE, headers: { Location: 'always' } };

const GRAPH = Type.Object({}, { additionalProperties: true, description: 'A graph in the API format of ComfyUI.' });
const LOOSE = { additionalProperties: true };
const FILE = Type.Object({}, { additionalProperties: true });

const SOURCE = Type.Object({ graph: GRAPH, inputs: Type.Optional(FILE), bindings: Type.Optional(FILE) }, LOOSE);

/** What `PUT /workflows/:name` takes as JSON: one of three forms, which are told apart by what is in them. */
const publishSchema = Type.Object(
  {
    graph: Type.Optional(GRAPH),
    prompt: Type.Optional(Type.Object({}, { additionalProperties: true, description: 'In place of `graph`.' })),
    extra_data: Type.Optional(
      Type.Object({}, { additionalProperties: true, description: 'Beside `prompt`: may have the choice of App mode.' }),
    ),
    inputs: Type.Optional({ ...FILE, description: 'What an inputs file has.' }),
    bindings: Type.Optional({ ...FILE, description: 'What a bindings file has.' }),
  },
  { additionalProperties: true },
);

const EXAMPLE_GRAPH = {
  '1': { class_type: 'LoadImage', inputs: { image: 'example.png' }, _meta: { title: 'input:picture' } },
  '2': { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
  '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'x' } },
};

export function workflowRoutes(deps: Deps): ApiRoute[] {
  const found = { errors: ['workflow_not_found', 'queue_unavailable'] } as const;
  const opened = { errors: [...found.errors, 'invalid_workflow'] } as const;
  return [
    {
      method: 'GET',
      path: '/workflows',
      access: 'jobs',
      handler: listWorkflows(deps),
      id: 'listWorkflows',
      tag: WORKFLOWS,
      summary: 'List the workflows, and what is wrong with those that cannot be used',
      answers: { 200: { description: 'Workflows.', content: { 'application/json': workflowListSchema } } },
      errors: ['queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/workflows/:name',
      params: { name: WORKFLOW_NAME },
      access: 'jobs',
      handler: getWorkflow(deps),
      id: 'getWorkflow',
      tag: WORKFLOWS,
      summary: 'What a workflow takes, gives and needs, and who can run it',
      description:
        '`inputs` is JSON Schema 2020-12. Types, bounds and options are those of the instances that may get its jobs, as ' +
        'far as they are known, otherwise those of the values in the graph. What the instances lack refuses jobs, not the ' +
        'workflow.',
      answers: { 200: WHOLE },
      ...found,
    },
    {
      method: 'PUT',
      path: '/workflows/:name',
      params: { name: WORKFLOW_NAME },
      access: 'admin',
      reads: 'workflow',
      handler: putWorkflow(deps),
      id: 'publishWorkflow',
      tag: WORKFLOWS,
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
          content: { 'application/json': Type.Union([workflowSchema, workflowInspectionSchema]) },
          headers: { Location: 'sometimes' },
        },
        201: { ...PUBLISHED, description: 'A new workflow.' },
      },
      errors: ['invalid_workflow', 'overloaded', 'queue_unavailable'],
    },
    {
      method: 'DELETE',
      path: '/workflows/:name',
      params: { name: WORKFLOW_NAME },
      access: 'admin',
      handler: deleteWorkflow(deps),
      id: 'deleteWorkflow',
      tag: WORKFLOWS,
      summary: 'Delete a published workflow',
      description: 'Jobs that were accepted run all the same. A file of that name in the folder serves again.',
      answers: { 204: { description: 'It is gone.' } },
      errors: ['workflow_not_found', 'workflow_is_a_file', 'queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/workflows/:name/versions',
      params: { name: WORKFLOW_NAME },
      access: 'jobs',
      handler: getVersions(deps),
      id: 'listVersions',
      tag: WORKFLOWS,
      summary: 'The versions of a workflow that are kept',
      answers: { 200: { description: 'Versions.', content: { 'application/json': workflowVersionsSchema } } },
      ...found,
    },
    {
      method: 'GET',
      path: '/workflows/:name/graph',
      params: { name: WORKFLOW_NAME },
      access: 'jobs',
      handler: getGraph(deps),
      id: 'getGraph',
      tag: WORKFLOWS,
      summary: 'The graph of a workflow, in the API format',
      query: graphQuerySchema,
      answers: { 200: { description: 'The graph.', content: { 'application/json': GRAPH } } },
      ...opened,
    },
    {
      method: 'GET',
      path: '/workflows/:name/source',
      params: { name: WORKFLOW_NAME },
      access: 'jobs',
      handler: getSource(deps),
      id: 'getSource',
      tag: WORKFLOWS,
      summary: 'All that a workflow consists of, as PUT takes it',
      description: 'To edit it, to publish an older version again, or to take it to another fleet.',
      query: graphQuerySchema,
      answers: {
        200: { description: 'The graph, with what is kept beside it.', content: { 'application/json': SOURCE } },
      },
      ...opened,
    },
    {
      method: 'GET',
      path: '/workflows/:name/changes',
      params: { name: WORKFLOW_NAME },
      access: 'jobs',
      handler: getChanges(deps),
      id: 'getChanges',
      tag: WORKFLOWS,
      summary: 'What a version of a workflow does differently from another',
      query: changesQuerySchema,
      answers: { 200: { description: 'Changes.', content: { 'application/json': workflowChangesSchema } } },
      ...opened,
    },
  ];
}

/** The workflows that the key may run, and what is wrong with those of them that cannot be used. */
function listWorkflows({ workflows, config }: Deps): Handler {
  return ({ caller }) => {
    requireRegistry(workflows);
    const own = knownCaller(caller);
    const names = [...workflows.served].filter(([name]) => mayRun(own, name)).sort(([a], [b]) => (a < b ? -1 : 1));
    const data = names.map(([name, { workflow, source, published }]) => ({
      name,
      version: workflow.version,
      description: workflow.description ?? null,
      source,
      ...presentPublished(published),
      url: `${config.http.publicUrl ?? ''}/workflows/${encodeURIComponent(name)}`,
    }));
    const faults = workflows.faults.filter(({ name }) =>
      name === null ? own.workflows === undefined : mayRun(own, name),
    );
    const body: WorkflowList = { data, faults };
    return { status: 200, body };
  };
}
