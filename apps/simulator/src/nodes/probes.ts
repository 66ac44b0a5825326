import sharp from 'sharp';
import { NodeError } from '../executor/node-error.js';
import type { Graph } from '../prompt-queue.js';
import { isObject, type Json, type JsonObject, parseJson } from '../python.js';
import type { NodeContext, NodeRunner } from './node.js';

/** Steps take `stepMs`, whatever their input `ms`. */
const steps: NodeRunner = async (inputs, context) => {
  const count = inputs.number('steps', 1);
  const preview = () =>
    sharp({ create: { width: 64, height: 64, channels: 3, background: '#805a3c' } })
      .jpeg()
      .toBuffer();
  for (let step = 1; step <= count; step++) await context.step(step, count, preview);
  return { outputs: [inputs.get('image', 'images')] };
};

/** Like ComfyUI's GraphBuilder: gives the nodes of an expansion their ids. `add` returns a link to the new node. */
function builder({ nodeId }: NodeContext) {
  const nodes: Graph = {};
  const add = (class_type: string, inputs: JsonObject): Json[] => {
    const id = `${nodeId}.0.0.${Object.keys(nodes).length + 1}`;
    nodes[id] = { class_type, inputs };
    return [id, 0];
  };
  return { nodes, add };
}

const expand: NodeRunner = (_inputs, context) => {
  const { nodes, add } = builder(context);
  const { image = null, seed = 0 } = context.inputs;
  const inverted = add('ImageInvert', { image: add('ProbeSteps', { image, steps: 5, ms: 100, seed }) });
  add('PreviewImage', { images: inverted });
  return { outputs: [], expansion: { nodes, results: [inverted] } };
};

const loop: NodeRunner = (inputs, context) => {
  const { nodes, add } = builder(context);
  let { image = null } = context.inputs;
  for (let round = 0; round < inputs.number('rounds', 1); round++) {
    image = add('ImageInvert', { image });
    add('SaveImage', { images: image, filename_prefix: inputs.text('filename_prefix') });
  }
  return { outputs: [], expansion: { nodes, results: [] } };
};

const values: NodeRunner = (inputs) => {
  const ui = parseJson(inputs.text('values'));
  return isObject(ui) && Object.keys(ui).length > 0 ? { outputs: [], ui } : { outputs: [] };
};

const fail: NodeRunner = (inputs) => {
  throw new NodeError('ValueError', inputs.text('message'));
};

/** The nodes of packages/comfyui/test/contract/probe-nodes. */
export const probes: Record<string, NodeRunner> = {
  ProbeSteps: steps,
  ProbeExpand: expand,
  ProbeLoop: loop,
  ProbeValues: values,
  ProbeFail: fail,
};
