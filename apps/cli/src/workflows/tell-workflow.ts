import {
  describeNode,
  exampleBody,
  listed,
  RULES,
  showJson,
  type Workflow,
  type WorkflowDescription,
} from '@comfy-fleet/workflows';
import { plain } from '../plain.js';
import { typeInWords } from './type-in-words.js';

/** All that is known of a workflow, for people: lines. */
export function tellWorkflow({ name, graph }: Workflow, described: WorkflowDescription): string {
  const { description, inputs, schema, outputs, models, nodeClasses, unsettled, refused } = described;
  const properties = schema.properties as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const required = new Set(schema.required as readonly string[] | undefined);
  const widest = Math.max(0, ...inputs.map((input) => input.name.length));
  const inputLines = inputs.flatMap(({ name: input, slots, rule }) => {
    const places = slots.map(({ node, input: widget }) => `${widget} of ${describeNode(graph, node)}`);
    const type = typeInWords(properties[input] ?? {});
    return [
      `${input.padEnd(widest)}  ${type}${required.has(input) ? ', required' : ''}`,
      `${''.padEnd(widest)}  → ${listed(places)}; found by ${RULES[rule]}`,
    ];
  });
  return [
    plain(description === undefined ? name : `${name}: ${description}`),
    ...section('Inputs', inputLines, 'none: give nodes the title input:<name> to make some'),
    ...section('Left out until it is settled', unsettled),
    ...section(
      'Outputs',
      outputs.map((output) => `${output.name} ← ${describeNode(graph, output.node)}`),
      'none',
    ),
    ...section('Model files that it needs', models),
    ...section('Node classes that it needs', [nodeClasses.join(', ')]),
    ...section('ComfyUI would refuse it', refused),
    ...section('A request', [showJson(exampleBody(described))]),
  ].join('\n');
}

/** One line. */
export function tellInShort({ name }: Workflow, { inputs, outputs, refused }: WorkflowDescription): string {
  const takes = inputs.map((input) => input.name).join(', ') || 'no input';
  const gives = outputs.map((output) => output.name).join(', ') || 'no output';
  return plain(`${name}: ${takes} → ${gives}${refused.length > 0 ? '; ComfyUI would refuse it' : ''}`);
}

export function section(title: string, lines: readonly string[], none?: string): string[] {
  if (lines.length === 0) return none === undefined ? [] : ['', `${title}: ${none}`];
  return ['', `${title}:`, ...lines.map((line) => `  ${plain(line)}`)];
}
