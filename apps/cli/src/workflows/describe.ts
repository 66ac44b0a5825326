import type { WorkflowAnswer, WorkflowList } from '@comfy-fleet/contracts';
import {
  describeNode,
  exampleBody,
  listed,
  RULES,
  showJson,
  type Workflow,
  type WorkflowDescription,
} from '@comfy-fleet/workflows';
import { plain } from '../text.js';

/** Describes a workflow file for people, in lines. */
export function describeWorkflow({ name, graph }: Workflow, described: WorkflowDescription): string {
  const { description, inputs, schema, outputs, models, nodeClasses, unsettled, refused } = described;
  const properties = schema.properties as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const required = new Set(schema.required as readonly string[] | undefined);
  const widest = Math.max(0, ...inputs.map((input) => input.name.length));
  const inputLines = inputs.flatMap(({ name: input, slots, rule }) => {
    const places = slots.map(({ node, input: widget }) => `${widget} of ${describeNode(graph, node)}`);
    const type = describeType(properties[input] ?? {});
    return [
      `${input.padEnd(widest)}  ${type}${required.has(input) ? ', required' : ''}`,
      `${''.padEnd(widest)}  → ${listed(places)}; found by ${RULES[rule]}`,
    ];
  });
  return [
    plain(description === undefined ? name : `${name}: ${description}`),
    ...section('Inputs', inputLines, 'none: name nodes input:<name> to create some'),
    ...section('Left out because it is ambiguous', unsettled),
    ...section(
      'Outputs',
      outputs.map((output) => `${output.name} ← ${describeNode(graph, output.node)}`),
      'none',
    ),
    ...section('Required model files', models),
    ...section('Required node classes', [nodeClasses.join(', ')]),
    ...section('ComfyUI would refuse it', refused),
    ...section('A request', [showJson(exampleBody(described))]),
  ].join('\n');
}

/** Describes a workflow file in one line. */
export function describeBriefly({ name }: Workflow, { inputs, outputs, refused }: WorkflowDescription): string {
  const takes = inputs.map((input) => input.name).join(', ') || 'no input';
  const gives = outputs.map((output) => output.name).join(', ') || 'no output';
  return plain(`${name}: ${takes} → ${gives}${refused.length > 0 ? '; ComfyUI would refuse it' : ''}`);
}

function section(title: string, lines: readonly string[], none?: string): string[] {
  if (lines.length === 0) return none === undefined ? [] : ['', `${title}: ${none}`];
  return ['', `${title}:`, ...lines.map((line) => `  ${plain(line)}`)];
}

const RULE_NAMES: Readonly<Record<WorkflowAnswer['found'][number]['rule'], string>> = {
  inputs_file: 'the inputs file',
  bindings_file: 'the bindings file',
  title: 'the title of a node',
  app_mode: 'App mode',
  wiring: 'class and wiring',
};
/** Enough of a hash to tell versions apart. */
const SHOWN_DIGITS = 12;

/** Lists an API's workflows and faults, one line each. */
export function describeList({ data, faults }: WorkflowList): string {
  const lines = data.map(({ name, version, source, description }) => {
    const what = description === null ? '' : `: ${description}`;
    return plain(`${name} (${source}, ${version.slice(0, SHOWN_DIGITS)})${what}`);
  });
  return [
    ...lines,
    ...section(
      'Cannot be used',
      faults.map(({ detail }) => detail),
    ),
  ].join('\n');
}

/** Describes a workflow of the API at `url` for people, in lines. */
export function describePublished(workflow: WorkflowAnswer, url: string): string {
  const { name, version, description, source, inputs, found, outputs, models, node_classes, pools } = workflow;
  const { properties = {}, required = [] } = inputs as {
    properties?: Record<string, Record<string, unknown>>;
    required?: string[];
  };
  const widest = Math.max(0, ...found.map(({ input }) => input.length));
  const inputLines = found.flatMap(({ input, rule, places }) => [
    `${input.padEnd(widest)}  ${describeType(properties[input] ?? {})}${required.includes(input) ? ', required' : ''}`,
    `${''.padEnd(widest)}  → ${listed(places.map(({ widget, node }) => `${widget} of ${node}`))}; found by ${RULE_NAMES[rule]}`,
  ]);
  const instances = pools.flatMap((pool) =>
    pool.instances.map(
      (one) => `${one.name} (${pool.name}): ${one.able ? 'yes' : `no, it lacks ${listed(one.lacks)}`}`,
    ),
  );
  return [
    plain(description === null ? name : `${name}: ${description}`),
    plain(`version ${version} of the ${source}`),
    ...section('Inputs', inputLines, 'none: name nodes input:<name> to create some'),
    ...section('Left out because it is ambiguous', workflow.unsettled),
    ...section(
      'Outputs',
      outputs.map((one) => `${one.name} ← node ${one.node_id} (${one.class_type})`),
      'none',
    ),
    ...section('Required model files', models),
    ...section('Required node classes', [node_classes.join(', ')]),
    ...section(
      'Time of each node',
      workflow.node_times.map(({ node_id, title, ms }) => `${title} (node ${node_id}): ${ms} ms`),
    ),
    ...section('Can run it now', instances, 'no instance has reported yet'),
    ...section('ComfyUI would refuse it', workflow.refused),
    // The API may know only another address of itself.
    ...section('A request', [workflow.example.curl.replace(/^curl '[^']*(?=\/workflows\/)/, `curl '${url}`)]),
  ].join('\n');
}

const FILES: Readonly<Record<string, string>> = {
  'image/*': 'a picture',
  'video/*': 'a video',
  'audio/*': 'an audio file',
  'application/octet-stream': 'a file',
};
const LONGEST_DEFAULT = 60;

/** The type of an input: "whole number from 1 up to 10000; 20 by default". */
function describeType(schema: Readonly<Record<string, unknown>>): string {
  const { type, contentMediaType, enum: options, minimum, maximum, default: preset } = schema;
  if (Array.isArray(type)) return 'seed, 0 to 2^64−1; random by default';
  const file = FILES[String(contentMediaType)];
  if (file !== undefined) return file;
  const range = [
    ...(minimum === undefined ? [] : [`from ${minimum}`]),
    ...(maximum === undefined ? [] : [`up to ${maximum}`]),
  ];
  const what = Array.isArray(options)
    ? `one of ${listed(options.map(String))}`
    : [plainType(type, schema), ...range].join(' ');
  return preset === undefined ? what : `${what}; ${shortened(showJson(preset))} by default`;
}

function plainType(type: unknown, schema: Readonly<Record<string, unknown>>): string {
  if (type === 'integer') return 'whole number';
  if (type === 'number') return 'number';
  if (type === 'boolean') return 'true or false';
  return schema['x-multiline'] === true ? 'text of several lines' : 'text';
}

function shortened(text: string): string {
  return text.length > LONGEST_DEFAULT ? `${text.slice(0, LONGEST_DEFAULT)}…` : text;
}
