import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isLink } from '../src/graph.js';
import type { Graph } from '../src/index.js';
import { parseJson } from '../src/json-text.js';

interface Shape {
  readonly input: { readonly required?: Record<string, InputShape>; readonly optional?: Record<string, InputShape> };
  readonly output: readonly string[];
}

interface InputShape {
  readonly type?: string;
  readonly min?: number | bigint;
  readonly max?: number | bigint;
  /** null: files, which differ between servers. */
  readonly choices?: readonly unknown[] | null;
}

/** From the `/object_info` of ComfyUI 0.3.64, as far as the fixtures need it. */
const SHAPES = parseJson(readFileSync(fileURLToPath(new URL('./node-shapes.json', import.meta.url)), 'utf8')) as Record<
  string,
  Shape
>;

/** The errors that ComfyUI would report, by its own node descriptions; custom nodes are ignored. */
export function shapeFaults(graph: Graph): string[] {
  return Object.entries(graph).flatMap(([id, node]) => {
    const shape = SHAPES[node.class_type];
    if (shape === undefined) return node.class_type.includes('rgthree') ? [] : [`${node.class_type} is not recorded`];
    const { required = {}, optional = {} } = shape.input;
    const missing = Object.keys(required).filter((input) => !(input in node.inputs));
    // ComfyUI ignores an unknown input; a prefix makes it run the node again.
    const known: Record<string, InputShape> = { filename_prefix: { type: 'STRING' }, ...required, ...optional };
    const wrong = Object.entries(node.inputs).flatMap(([input, value]) => {
      const wanted = known[input];
      return wanted === undefined ? [`unknown input ${input}`] : valueFaults(graph, input, value, wanted);
    });
    return [...missing.map((input) => `${input} is missing`), ...wrong].map((fault) => `${id}: ${fault}`);
  });
}

function valueFaults(graph: Graph, input: string, value: unknown, wanted: InputShape): string[] {
  if (isLink(value)) {
    const source = SHAPES[graph[value[0]]?.class_type ?? ''];
    const type = source?.output[value[1]];
    return source === undefined || type === wanted.type ? [] : [`${input} wants ${wanted.type} and is given ${type}`];
  }
  if (wanted.choices !== undefined) {
    const allowed = wanted.choices === null ? typeof value === 'string' : wanted.choices.includes(value);
    return allowed ? [] : [`${input} cannot be ${String(value)}`];
  }
  const types: Record<string, readonly string[]> = {
    INT: ['number', 'bigint'],
    FLOAT: ['number'],
    STRING: ['string'],
    BOOLEAN: ['boolean'],
  };
  if (!types[wanted.type ?? '']?.includes(typeof value)) return [`${input} cannot be a ${typeof value}`];
  if (typeof value !== 'number' && typeof value !== 'bigint') return [];
  if (wanted.type === 'INT' && typeof value === 'number' && !Number.isInteger(value)) return [`${input} is not whole`];
  const { min, max } = wanted;
  return (min === undefined || value >= min) && (max === undefined || value <= max) ? [] : [`${input} is out of range`];
}
