import type { WorkflowAnswer, WorkflowList } from '@comfy-fleet/contracts';
import { listed } from '@comfy-fleet/workflows';
import { plain } from '../plain.js';
import { section } from './tell-workflow.js';
import { typeInWords } from './type-in-words.js';

const RULES: Readonly<Record<WorkflowAnswer['found'][number]['rule'], string>> = {
  inputs_file: 'the inputs file',
  bindings_file: 'the bindings file',
  title: 'the title of a node',
  app_mode: 'App mode',
  wiring: 'class and wiring',
};
/** Of a hash, enough to tell versions apart. */
const SHOWN_DIGITS = 12;

/** A line for each workflow of an API, and for each fault. */
export function tellList({ data, faults }: WorkflowList): string {
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

/** All that the API at `url` says of a workflow, for people. */
export function tellPublished(workflow: WorkflowAnswer, url: string): string {
  const { name, version, description, source, inputs, found, outputs, models, node_classes, pools } = workflow;
  const { properties = {}, required = [] } = inputs as {
    properties?: Record<string, Record<string, unknown>>;
    required?: string[];
  };
  const widest = Math.max(0, ...found.map(({ input }) => input.length));
  const inputLines = found.flatMap(({ input, rule, places }) => [
    `${input.padEnd(widest)}  ${typeInWords(properties[input] ?? {})}${required.includes(input) ? ', required' : ''}`,
    `${''.padEnd(widest)}  → ${listed(places.map(({ widget, node }) => `${widget} of ${node}`))}; found by ${RULES[rule]}`,
  ]);
  const instances = pools.flatMap((pool) =>
    pool.instances.map(
      (one) => `${one.name} (${pool.name}): ${one.able ? 'yes' : `no, it lacks ${listed(one.lacks)}`}`,
    ),
  );
  return [
    plain(description === null ? name : `${name}: ${description}`),
    plain(`version ${version} of the ${source}`),
    ...section('Inputs', inputLines, 'none: give nodes the title input:<name> to make some'),
    ...section('Left out until it is settled', workflow.unsettled),
    ...section(
      'Outputs',
      outputs.map((one) => `${one.name} ← node ${one.node_id} (${one.class_type})`),
      'none',
    ),
    ...section('Model files that it needs', models),
    ...section('Node classes that it needs', [node_classes.join(', ')]),
    ...section(
      'How long its nodes take',
      workflow.node_times.map(({ node_id, title, ms }) => `${title} (node ${node_id}): ${ms} ms`),
    ),
    ...section('Can run it now', instances, 'no instance has said what it has'),
    ...section('ComfyUI would refuse it', workflow.refused),
    // The API may know itself by another address only.
    ...section('A request', [workflow.example.curl.replace(/^curl '[^']*(?=\/workflows\/)/, `curl '${url}`)]),
  ].join('\n');
}
