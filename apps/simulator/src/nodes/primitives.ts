import type { NodeRunner } from './node.js';

export const primitives: Record<string, NodeRunner> = {
  PrimitiveInt: (inputs) => ({ outputs: [{ kind: 'primitive', value: inputs.value('value') }] }),
  PrimitiveStringMultiline: (inputs) => ({ outputs: [{ kind: 'primitive', value: inputs.value('value') }] }),
};
