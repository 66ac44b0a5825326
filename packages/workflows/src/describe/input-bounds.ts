import type { RequestLimits } from '@comfy-fleet/contracts';
import type { Bindings } from '../bindings.js';
import { gpuDemand } from '../gpu-demand.js';
import { mostOf } from '../gpu-limits.js';
import type { Graph, Slot } from '../graph.js';
import type { Catalogue } from './catalogue.js';

/** The bounds that limits set for a slot. */
export type LimitsAt = (slot: Slot) => { readonly minimum?: number; readonly maximum?: number };

/** The bounds that limits set in a graph. `minSize` is one of text2img and img2img only. */
export function inputBounds(
  graph: Graph,
  {
    slots,
    catalogue,
    limits,
    isStrict,
  }: {
    readonly slots: Bindings['slots'];
    readonly catalogue: Catalogue | undefined;
    readonly limits: RequestLimits;
    readonly isStrict: boolean;
  },
): LimitsAt {
  const { amounts } = gpuDemand(graph, { slots, catalogue });
  return ({ node, input }) => {
    const amount = amounts.find(({ at, isScaled }) => !isScaled && at.node === node && at.input === input);
    if (amount === undefined) return {};
    const isSide = [...slots.width, ...slots.height].some((slot) => slot.node === node && slot.input === input);
    return { ...(isStrict && isSide ? { minimum: limits.minSize } : {}), maximum: mostOf(amount, limits) };
  };
}
