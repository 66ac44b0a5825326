import type { NodeInputs, NodeRunner } from './node.js';
import type { Conditioning } from './values.js';

function texts(...parts: readonly string[]): Conditioning {
  return { kind: 'conditioning', texts: parts.filter((part) => part.trim() !== '') };
}

const both =
  (first: string, second: string): NodeRunner =>
  (inputs) => ({
    outputs: [texts(...inputs.get(first, 'conditioning').texts, ...inputs.get(second, 'conditioning').texts)],
  });

const passOn = (inputs: NodeInputs) => ({ outputs: [inputs.get('conditioning', 'conditioning')] });

export const conditioning: Record<string, NodeRunner> = {
  CLIPTextEncode: (inputs) => ({ outputs: [texts(inputs.text('text'))] }),
  CLIPTextEncodeFlux: (inputs) => ({ outputs: [texts(inputs.text('t5xxl') || inputs.text('clip_l'))] }),
  CLIPTextEncodeSD3: (inputs) => ({
    outputs: [texts(inputs.text('t5xxl') || inputs.text('clip_l') || inputs.text('clip_g'))],
  }),
  CLIPTextEncodeSDXL: (inputs) => ({
    outputs: [texts(...new Set([inputs.text('text_g'), inputs.text('text_l')]))],
  }),
  CLIPTextEncodeSDXLRefiner: (inputs) => ({ outputs: [texts(inputs.text('text'))] }),
  ConditioningSetTimestepRange: passOn,
  FluxGuidance: passOn,
  ControlNetApply: passOn,
  ControlNetApplyAdvanced: (inputs) => ({
    outputs: [inputs.get('positive', 'conditioning'), inputs.get('negative', 'conditioning')],
  }),
  ConditioningCombine: both('conditioning_1', 'conditioning_2'),
  ConditioningConcat: both('conditioning_to', 'conditioning_from'),
  ConditioningZeroOut: () => ({ outputs: [texts()] }),
};
