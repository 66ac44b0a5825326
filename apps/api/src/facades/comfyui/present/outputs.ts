import { listedOf, type OutputRecord } from '@comfy-fleet/jobs';

/** What one node shows, under the keys that it chose: files, texts, flags. */
export type NodeOutput = Record<string, unknown[]>;

/** Outputs by node as ComfyUI shows them in /history and `executed`; files are called as they are stored. */
export function presentOutputs(outputs: readonly OutputRecord[]): Record<string, NodeOutput> {
  // Ids such as __proto__ are nobody's, but they can be sent.
  const nodes: Record<string, NodeOutput> = Object.create(null);
  for (const output of outputs) {
    const { key, animated, isValues } = listedOf(output);
    nodes[output.nodeId] ??= Object.create(null) as NodeOutput;
    const node = nodes[output.nodeId] as NodeOutput;
    const shown: NodeOutput = isValues ? JSON.parse(output.text ?? '{}') : { [key]: [presentOutput(output)] };
    for (const [name, values] of Object.entries(shown)) node[name] = [...(node[name] ?? []), ...values];
    if (animated) node.animated = [true];
  }
  return nodes;
}

function presentOutput(output: OutputRecord): unknown {
  return listedOf(output).key === 'text' && output.text !== undefined ? output.text : presentFile(output);
}

/** A file, as GET /view takes it. */
export function presentFile(output: OutputRecord) {
  const { type, format, frameRate } = listedOf(output);
  return {
    filename: output.file,
    subfolder: '',
    type,
    ...(format === undefined ? {} : { format }),
    ...(frameRate === undefined ? {} : { frame_rate: frameRate }),
  };
}
