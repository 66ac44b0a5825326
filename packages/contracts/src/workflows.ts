import Type, { type Static } from 'typebox';
import { named, nullable, time } from './schema-parts.js';

/** Names for published workflows. They are part of addresses; `graph` is reserved for graphs that are not published. */
export const WORKFLOW_NAME_PATTERN = '^(?!graph$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';

const WORKFLOW_PLACES = ['folder', 'registry'] as const;
/** Where a workflow comes from: each server's folder, or the shared registry. */
export type WorkflowPlace = (typeof WORKFLOW_PLACES)[number];

const version = () => Type.String({ description: 'The hash of its content, which its jobs name.' });
const place = () =>
  Type.Enum([...WORKFLOW_PLACES], { description: '`folder`: a file of the server; `registry`: published with PUT.' });

const publisher = () => nullable(Type.String({ description: 'The id of the API key.' }));

const workflowFaultSchema = named('WorkflowFault', {
  source: place(),
  name: nullable(Type.String({ description: 'The workflow; null for a file of another kind.' })),
  detail: Type.String({ description: 'What is wrong with it.' }),
});
export type WorkflowFault = Static<typeof workflowFaultSchema>;

/** As `GET /workflows` answers. */
export const workflowListSchema = named('WorkflowList', {
  data: Type.Array(
    Type.Object({
      name: Type.String(),
      version: version(),
      description: nullable(Type.String()),
      source: place(),
      published_at: nullable(time()),
      published_by: publisher(),
      url: Type.String({ description: 'Address of the whole workflow.' }),
    }),
    { description: 'In alphabetical order.' },
  ),
  faults: Type.Array(workflowFaultSchema, {
    description:
      'Files and workflows that cannot be used. If a workflow worked before, its last good version is still served.',
  }),
});

const ableSchema = Type.Object({
  name: Type.String({ description: 'The instance, `<worker>/<n>`.' }),
  able: Type.Boolean({ description: 'It has every node class and model that the graph names.' }),
  lacks: Type.Array(Type.String(), { description: 'What it lacks, in words.' }),
  missing: Type.Array(
    Type.Object({
      node_id: Type.String(),
      class_type: Type.String(),
      widget: nullable(Type.String({ description: 'Null: it lacks the node class.' })),
      value: nullable(Type.String({ description: 'The model file or option that it lacks.' })),
    }),
    { description: 'The same by node.' },
  ),
});

const noteSchema = named('WorkflowNote', {
  kind: Type.Enum(['refused', 'unsettled', 'odd_default'], {
    description:
      '`refused`: ComfyUI would refuse it as it is; `unsettled`: an input or output is missing, because it is not clear which ' +
      'node it means; `odd_default`: a default value that its input does not allow.',
  }),
  detail: Type.String(),
  node_ids: Type.Array(Type.String(), { description: 'The nodes that it concerns.' }),
  widget: nullable(Type.String()),
  input: nullable(Type.String({ description: 'The input or output that it concerns.' })),
});

/** As `GET /workflows/:name` answers. */
export const workflowSchema = named('Workflow', {
  name: Type.String(),
  version: version(),
  description: nullable(Type.String()),
  source: place(),
  hides_file: Type.Boolean({
    description: 'A file with this name exists too, and is served when this one is deleted.',
  }),
  published_at: nullable(time()),
  published_by: publisher(),
  inputs: Type.Object(
    { type: Type.Literal('object') },
    { additionalProperties: true, description: 'JSON Schema 2020-12 of its inputs.' },
  ),
  found: Type.Array(
    Type.Object({
      input: Type.String(),
      rule: Type.Enum(['inputs_file', 'bindings_file', 'title', 'app_mode', 'wiring'], {
        description: 'How it was found.',
      }),
      places: Type.Array(
        Type.Object({
          node_id: Type.String(),
          node: Type.String({ description: "The node's name for people." }),
          widget: Type.String(),
        }),
        { description: 'Each of these gets the value.' },
      ),
    }),
    { description: 'Where its inputs are in the graph.' },
  ),
  outputs: Type.Array(Type.Object({ name: Type.String(), node_id: Type.String(), class_type: Type.String() })),
  models: Type.Array(Type.String(), { description: 'The model files that the graph names.' }),
  node_classes: Type.Array(Type.String()),
  pool: nullable(Type.String({ description: 'The pool whose instances can run it; null if any can.' })),
  deadline_seconds: nullable(Type.Integer({ description: 'Longest execution, if the workflow sets one.' })),
  node_times: Type.Array(
    Type.Object({
      node_id: Type.String(),
      title: Type.String({ description: 'Its title, else its class.' }),
      class_type: Type.String(),
      ms: Type.Integer({ description: 'The median of its last executions, whatever their size.' }),
    }),
    { description: 'How long the nodes of this version take, slowest first, as far as observed.' },
  ),
  pools: Type.Array(Type.Object({ name: Type.String(), instances: Type.Array(ableSchema) }), {
    description: 'The instances of its pools whose nodes are known, and which of them can run it now.',
  }),
  unsettled: Type.Array(Type.String(), {
    description:
      'Inputs and outputs that are missing because it is not clear which node they mean, and how to state it.',
  }),
  refused: Type.Array(Type.String(), { description: 'Why ComfyUI would refuse the graph as it is.' }),
  notes: Type.Array(noteSchema, { description: '`unsettled`, `refused` and further notes for its author, by node.' }),
  example: Type.Object({
    curl: Type.String({ description: 'A request that runs it.' }),
    body: Type.Object({}, { additionalProperties: true }),
  }),
});

/** As `GET /workflows/:name/versions` answers. */
export const workflowVersionsSchema = named('WorkflowVersions', {
  data: Type.Array(
    Type.Object({
      version: version(),
      published_at: nullable(time()),
      published_by: publisher(),
    }),
    { description: 'Newest first; new jobs run that one. A workflow of the folder has one version.' },
  ),
});

const changeSchema = named('WorkflowChange', {
  what: Type.String({ description: '`minimum`, `title`, the name of a widget, …' }),
  before: Type.Unknown({ description: 'Null if it did not exist.' }),
  after: Type.Unknown({ description: 'Null if it was removed.' }),
});
const difference = {
  change: Type.Enum(['added', 'removed', 'changed']),
  changes: Type.Array(changeSchema, { description: 'The differences, for `changed`.' }),
};

/** As `GET /workflows/:name/changes` answers. */
export const workflowChangesSchema = named('WorkflowChanges', {
  from: version(),
  to: version(),
  whole: Type.Array(changeSchema, { description: 'Changes of the workflow as a whole: description, pool, …' }),
  inputs: Type.Array(Type.Object({ input: Type.String(), ...difference })),
  outputs: Type.Array(Type.Object({ output: Type.String(), ...difference })),
  nodes: Type.Array(
    Type.Object({
      node_id: Type.String(),
      title: nullable(Type.String()),
      class_type: Type.String(),
      ...difference,
    }),
  ),
});

const optionalJson = (description: string) => nullable(Type.Object({}, { additionalProperties: true, description }));

/** The answer to `PUT /workflows/:name?dry_run=`. */
export const workflowInspectionSchema = named('WorkflowInspection', {
  outcome: Type.Enum(['new', 'changed', 'same'], { description: 'What publishing it would do.' }),
  workflow: workflowSchema,
  source: Type.Object(
    {
      graph: Type.String({ description: 'JSON as text, because JavaScript numbers would round its seeds.' }),
      inputs: optionalJson('Content of an inputs file.'),
      bindings: optionalJson('Content of a bindings file.'),
      linear_data: Type.Unknown({ description: 'What App mode shows; null if unknown.' }),
    },
    { description: 'Its parts in the form of the members of `{"graph": …}`, as PUT takes them.' },
  ),
  nodes: Type.Array(
    Type.Object({
      node_id: Type.String(),
      title: nullable(Type.String()),
      class_type: Type.String(),
      widgets: Type.Array(
        Type.Object({
          widget: Type.String(),
          schema: Type.Object({}, { additionalProperties: true, description: 'JSON Schema, as for an input.' }),
          value: Type.Unknown({ description: 'The value in the graph.' }),
        }),
        { description: 'The widgets that can become inputs.' },
      ),
    }),
  ),
  changes: nullable(workflowChangesSchema),
});

export type WorkflowChanges = Static<typeof workflowChangesSchema>;
export type WorkflowInspection = Static<typeof workflowInspectionSchema>;
export type WorkflowList = Static<typeof workflowListSchema>;
export type WorkflowAnswer = Static<typeof workflowSchema>;
export type WorkflowVersions = Static<typeof workflowVersionsSchema>;

export const VERSION_PATTERN = '^[0-9a-f]{64}$';
const versionQuery = (description: string) => Type.Optional(Type.String({ pattern: VERSION_PATTERN, description }));

export const sourceQuerySchema = Type.Object(
  { version: versionQuery('By default the newest version.') },
  { additionalProperties: false },
);

export const changesQuerySchema = Type.Object(
  { from: versionQuery('By default the version before `to`.'), to: versionQuery('By default the newest version.') },
  { additionalProperties: false },
);

export const publishQuerySchema = Type.Object(
  {
    dry_run: Type.Optional(
      Type.Enum(['check', 'try'], {
        description:
          'Publishes nothing, and answers what publishing would do. With `try` it is kept for an hour, so that ' +
          '`POST /workflows/{name}` can run it as `version`.',
      }),
    ),
  },
  { additionalProperties: false },
);
