import type { WorkflowDescription } from './describe-workflow.js';

/** The body of a request that says each input once: its default, or something of its type. */
export function exampleBody({ inputs, schema }: WorkflowDescription): Readonly<Record<string, unknown>> {
  const properties = schema.properties as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const values = inputs.flatMap(({ name }) => {
    const { type, default: preset, contentMediaType, enum: options, minimum } = properties[name] ?? {};
    // drawn when it is left out
    if (Array.isArray(type)) return [];
    if (contentMediaType !== undefined) return [[name, 'asset:<id>']];
    if (preset !== undefined) return [[name, preset]];
    if (Array.isArray(options)) return [[name, options[0]]];
    return [[name, type === 'string' ? '…' : type === 'boolean' ? true : (minimum ?? 1)]];
  });
  return { inputs: Object.fromEntries(values) };
}
