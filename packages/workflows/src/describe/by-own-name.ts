import { compete } from '../compete.js';
import { traceConditioning } from '../conditioning.js';
import type { Fault } from '../file-fault.js';
import { type Graph, isModelFile, linkAt, linksAt, nodeAt, type Slot } from '../graph.js';
import { traceLatent } from '../latent.js';
import { samplingOf } from '../sampling.js';
import { distinctSlots } from '../slots.js';
import type { FoundInput, FoundInputs } from './found-input.js';
import { widgetOf } from './widget.js';

/** How long a video or a sound gets, as the nodes that make empty ones call it. */
const LENGTHS = ['length', 'seconds'];

/**
 * What has no name among the usual parameters and keeps its widget's: the texts of an encoder that has no prompt (the
 * tags and lyrics of ACE-Step), and the length of a video or a sound.
 */
export function byOwnName(graph: Graph, samplers: readonly string[]): FoundInputs {
  const slots = distinctSlots(
    samplers.flatMap((sampler) => [...textsOf(graph, sampler), ...lengthsOf(graph, sampler)]),
  );
  const inputs: FoundInput[] = [];
  const faults: Fault[] = [];
  for (const name of new Set(slots.map(({ input }) => input))) {
    const called = slots.filter(({ input }) => input === name);
    if (called.length === 1) inputs.push({ name, slots: called, rule: 'wiring' });
    else
      faults.push(
        compete(
          graph,
          name,
          called.map(({ node }) => node),
        ),
      );
  }
  return { inputs, faults };
}

function textsOf(graph: Graph, sampler: string): Slot[] {
  const guider = nodeAt(graph, samplingOf(graph, sampler).guider);
  const { deadEnds } = traceConditioning(graph, linksAt(guider, ['positive', 'conditioning', 'cond1', 'cond2']));
  return [...deadEnds].flatMap((node) => {
    const isText = (input: string) => {
      const widget = widgetOf(nodeAt(graph, node), input);
      return (
        widget?.type === 'string' && widget.options === undefined && !isModelFile(nodeAt(graph, node).inputs[input])
      );
    };
    return Object.keys(nodeAt(graph, node).inputs)
      .filter(isText)
      .map((input) => ({ node, input }));
  });
}

function lengthsOf(graph: Graph, sampler: string): Slot[] {
  const link = linkAt(nodeAt(graph, sampler), 'latent_image');
  if (link === undefined) return [];
  const { size, end } = traceLatent(graph, link);
  const node = size ?? end;
  const lengths = LENGTHS.filter((input) => widgetOf(nodeAt(graph, node), input) !== undefined);
  return lengths.map((input) => ({ node, input }));
}
