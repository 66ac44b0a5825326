import { PARAMETERS, type Parameter } from '../bindings.js';
import { type Choices, chosenSlots, findNode } from '../choices.js';
import { compete, type Fault, FileFault, gatherFaults } from '../file-fault.js';
import { describeNode, distinctSlots, type Graph, nodeAt, type Slot, sameSlot, upstreamOf } from '../graph.js';
import { locateParameters, sharedPlaces } from '../locate-parameters.js';
import { samplersBehind, samplingOf } from '../sampling.js';
import { byOwnName } from './by-title.js';
import { type FoundInput, type FoundInputs, inputName } from './found-input.js';
import { maskUses } from './mask-use.js';
import { isMedia, widgetOf } from './widget.js';

type Slots = Record<Parameter, readonly Slot[]>;

/**
 * The usual parameters of the graph, found by class and wiring or named by the bindings file. Several samplers count
 * together: a parameter is found if they agree.
 */
export function byWiring(graph: Graph, outputs: readonly string[], choices: Choices): FoundInputs {
  const samplers = samplersOf(graph, outputs, choices);
  const { slots, otherSeeds, faults } = locateAll(graph, outputs, samplers, choices);
  const usual = PARAMETERS.filter((parameter) => slots[parameter].length > 0).map((parameter): FoundInput => {
    const rule = choices[parameter] === undefined ? 'wiring' : 'bindingsFile';
    return { name: inputName(parameter), slots: slots[parameter], rule };
  });
  const own = byOwnName(graph, samplers);
  const files = byLoader(graph, outputs, usual);
  // The bindings file takes precedence.
  const isOpen = (name: string) => name !== 'image' || choices.image === undefined;
  return {
    inputs: [
      ...usual,
      ...otherSeeds.map(followingSeed),
      ...own.inputs,
      ...files.inputs.filter(({ name }) => isOpen(name)),
    ],
    faults: [
      ...tooMany(graph, outputs, choices),
      ...faults,
      ...own.faults,
      ...files.faults.filter(({ settledBy = {} }) => Object.keys(settledBy).every(isOpen)),
    ],
  };
}

function followingSeed(slots: readonly Slot[], index: number): FoundInput {
  const description = 'The seed of another sampler: as `seed` if that is given, else random.';
  return { name: `seed_${index + 2}`, slots, rule: 'wiring', follows: 'seed', description, advanced: true };
}

/** More samplers are not analysed, because a thousand would take seconds. */
const MOST_SAMPLERS = 32;

/** The samplers that the outputs depend on, or the one of the bindings file; empty if there are too many. */
export function samplersOf(graph: Graph, outputs: readonly string[], choices: Choices): string[] {
  if (choices.sampler !== undefined) return [findNode(graph, choices.sampler)];
  const samplers = samplersBehind(graph, outputs);
  return samplers.length > MOST_SAMPLERS ? [] : samplers;
}

function tooMany(graph: Graph, outputs: readonly string[], { sampler }: Choices): Fault[] {
  const { length } = samplersBehind(graph, outputs);
  if (sampler !== undefined || length <= MOST_SAMPLERS) return [];
  const problem = `${length} samplers lead to the outputs; of more than ${MOST_SAMPLERS} none is looked through, so say which inputs are meant by titles such as input:steps, or in an inputs file`;
  return [{ problem }];
}

function locateAll(graph: Graph, outputs: readonly string[], samplers: readonly string[], choices: Choices) {
  const located = samplers.map((sampler) => ({
    sampler,
    ...locateParameters(graph, outputs, samplingOf(graph, sampler), choices),
  }));
  const slots = Object.fromEntries(PARAMETERS.map((parameter) => [parameter, []])) as unknown as Slots;
  const noisy = ({ sampler }: { sampler: string }) => nodeAt(graph, sampler).inputs.add_noise !== 'disable';
  const inOrder = Object.keys(graph).flatMap((id) => located.filter(({ sampler }) => sampler === id));
  const [seed = [], ...otherSeeds] = seedGroups(
    graph,
    inOrder.filter(noisy).map((each) => each.slots.seed),
  );
  const disagreements = gatherFaults(
    PARAMETERS.map((parameter) => () => {
      slots[parameter] =
        samplers.length === 0
          ? (chosenSlots(graph, choices, parameter) ?? [])
          : parameter === 'seed'
            ? seed
            : agreed(
                graph,
                parameter,
                located.map((each) => each.slots[parameter]),
              );
    }),
  );
  const faults = [...located.flatMap((each) => each.faults), ...disagreements, ...sharedPlaces(graph, slots)];
  for (const [index, parameter] of PARAMETERS.entries()) {
    const earlier = PARAMETERS.slice(0, index).flatMap((other) => slots[other]);
    slots[parameter] = slots[parameter].filter((slot) => !earlier.some((other) => sameSlot(slot, other)));
  }
  return { slots, otherSeeds, faults: faults.filter(({ absent }) => !absent) };
}

/** Samplers that were saved with the same seed share one, whatever its value. */
function seedGroups(graph: Graph, each: readonly (readonly Slot[])[]): Slot[][] {
  const groups = new Map<string, Slot[]>();
  for (const slots of each) {
    const [first] = slots;
    if (first === undefined) continue;
    const saved = String(nodeAt(graph, first.node).inputs[first.input]);
    groups.set(saved, distinctSlots([...(groups.get(saved) ?? []), ...slots]));
  }
  return [...groups.values()];
}

/** Samplers agree if they use the same place, or the same value at each of theirs. */
function agreed(graph: Graph, parameter: Parameter, each: readonly (readonly Slot[])[]): Slot[] {
  const having = each.filter((slots) => slots.length > 0);
  const all = distinctSlots(having.flat());
  const values = new Set(all.map(({ node, input }) => nodeAt(graph, node).inputs[input]));
  if (values.size <= 1 || having.every(({ length }) => length === all.length)) return all;
  throw new FileFault(
    compete(
      graph,
      inputName(parameter),
      all.map(({ node }) => node),
    ),
  );
}

/** The files that nodes load, named by their kind: image, mask, video, audio, file. */
function byLoader(graph: Graph, outputs: readonly string[], known: readonly FoundInput[]): FoundInputs {
  const roles = new Map<string, Slot[]>();
  const needed = upstreamOf(graph, outputs);
  const masks = maskUses(graph);
  for (const node of Object.keys(graph).filter((id) => needed.has(id))) {
    for (const input of Object.keys(nodeAt(graph, node).inputs)) {
      const type = widgetOf(nodeAt(graph, node), input)?.type;
      if (!isMedia(type) || known.some(({ slots }) => slots.some((slot) => sameSlot(slot, { node, input })))) continue;
      const role = type === 'image' && masks.get(node) === 'only' ? 'mask' : type;
      const slots = roles.get(role) ?? [];
      roles.set(role, slots);
      slots.push({ node, input });
    }
  }
  const inputs: FoundInput[] = [];
  const faults: Fault[] = [];
  for (const [name, slots] of roles) {
    const nodes = slots.map(({ node }) => node);
    const first = known.find((input) => input.name === name);
    if (first !== undefined) faults.push(...nodes.map((node) => alsoLoads(graph, node, name)));
    else if (slots.length > 1) faults.push(compete(graph, name, nodes));
    else inputs.push({ name, slots, rule: 'wiring' });
  }
  return { inputs, faults };
}

function alsoLoads(graph: Graph, id: string, name: string): Fault {
  const problem = `${describeNode(graph, id)} loads a file as well and is not an input, since ${name} is another`;
  return { problem, settledBy: { [`${name}_2`]: id }, between: [id] };
}
