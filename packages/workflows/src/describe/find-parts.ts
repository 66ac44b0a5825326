import { PARAMETERS, type Parameter } from '../bindings.js';
import type { Choices } from '../choices.js';
import type { Fault } from '../file-fault.js';
import { type Graph, nodeAt, type Slot, sameSlot } from '../graph.js';
import { inputsFor } from '../input-names.js';
import type { SavedWorkflow } from '../source.js';
import { byAppMode } from './by-app-mode.js';
import { byTitle } from './by-title.js';
import { byWiring } from './by-wiring.js';
import { type FoundOutput, findOutputs } from './find-outputs.js';
import { type FoundInput, type FoundInputs, inputName, type Note, parameterCalled } from './found-input.js';
import { byInputsFile, type InputsFile } from './read-inputs-file.js';

/** The inputs and outputs of a workflow. */
export interface FoundParts {
  /** In the order in which people see them. */
  readonly inputs: readonly FoundInput[];
  readonly outputs: readonly FoundOutput[];
  /** Inputs and outputs that are missing because it is not clear which node they mean, and how to state it. */
  readonly unsettled: readonly Note[];
}

/**
 * Finds only the inputs and outputs that the inputs file names, for a graph that is run once. Such graphs come from
 * strangers, and analysing one with a thousand samplers would take seconds.
 */
export function findSaidParts(graph: Graph, file: InputsFile): FoundParts {
  const { inputs } = byInputsFile(graph, file);
  const { outputs } = findOutputs(graph, { file, choices: {}, linearData: undefined });
  return { inputs, outputs, unsettled: [] };
}

interface Said {
  readonly file: InputsFile;
  readonly choices: Choices;
  /** The places of the usual parameters, whatever else names these places. */
  readonly usual: Readonly<Record<Parameter, readonly Slot[]>> | undefined;
}

/**
 * Finds the inputs and outputs from the graph and its files alone, so that a version has the same ones on every
 * instance. Throws a FileFault if the bindings file names something that does not exist.
 */
export function findParts({ graph, linearData }: SavedWorkflow, { file, choices, usual }: Said): FoundParts {
  const outputs = findOutputs(graph, { file, choices, linearData });
  const ids = outputs.outputs.map(({ node }) => node);
  const wiring = byWiring(graph, ids, choices);
  const nameOf = (place: Slot) =>
    wiring.inputs.find(({ slots, follows }) => follows === undefined && slots.some((slot) => sameSlot(slot, place)))
      ?.name;
  const { inputs, faults } = strongest(graph, [
    { inputs: usual === undefined ? [] : usualInputs(usual, choices), faults: [] },
    byInputsFile(graph, file),
    { inputs: wiring.inputs.filter(({ rule }) => rule === 'bindingsFile'), faults: [] },
    byTitle(graph),
    byAppMode(graph, linearData, nameOf),
    { inputs: wiring.inputs.filter(({ rule }) => rule === 'wiring'), faults: wiring.faults },
  ]);
  return {
    inputs,
    outputs: outputs.outputs,
    unsettled: distinct([...outputs.faults, ...faults].map(noteOf)),
  };
}

function usualInputs(usual: Readonly<Record<Parameter, readonly Slot[]>>, choices: Choices): FoundInput[] {
  return PARAMETERS.filter((parameter) => usual[parameter].length > 0).map((parameter) => ({
    name: inputName(parameter),
    slots: usual[parameter],
    rule: choices[parameter] === undefined ? 'wiring' : 'bindingsFile',
  }));
}

/** The inputs of all rules: a name and a place belong to the strongest rule that finds them. */
function strongest(graph: Graph, rules: readonly FoundInputs[]): { inputs: FoundInput[]; faults: Fault[] } {
  const found: FoundInput[] = [];
  const faults: Fault[] = [];
  for (const rule of rules) {
    const taken = found.flatMap(({ slots }) => slots);
    const isTaken = (place: Slot) => taken.some((slot) => sameSlot(slot, place));
    const names = new Set(found.map(({ name }) => name));
    for (const input of rule.inputs) {
      const slots = input.slots.filter((slot) => !isTaken(slot));
      // A seed that somebody named stands alone: the other samplers' seeds do not follow it.
      const isFree = !names.has(input.name) && !(input.follows !== undefined && names.has(input.follows));
      if (isFree && slots.length > 0) found.push({ ...input, slots });
    }
    faults.push(...rule.faults);
  }
  const inputs = found
    .filter(({ hidden }) => hidden !== true)
    .map((input, index) => ({ input, index }))
    .sort((a, b) => (a.input.order ?? a.index + 1) - (b.input.order ?? b.index + 1))
    .map(({ input }) => input);
  return { inputs, faults: faults.filter((fault) => !isSettled(graph, fault, found)) };
}

/** Whether somebody has named the node for this input, or has given every competing place its own name. */
function isSettled(graph: Graph, { settledBy = {}, between = [] }: Fault, inputs: readonly FoundInput[]): boolean {
  const said = inputs.filter(({ rule }) => rule !== 'wiring');
  return Object.keys(settledBy).some((key) => {
    const hasName = (id: string) =>
      said.some(({ slots }) => slots.some((slot) => slot.node === id && carries(graph, slot, key)));
    const isNamed = said.some(({ name }) => name === nameFor(key));
    return isNamed || (between.length > 0 && between.every(hasName));
  });
}

function carries(graph: Graph, { node, input }: Slot, key: string): boolean {
  const parameter = parameterCalled(key);
  return parameter === undefined || inputsFor(nodeAt(graph, node), parameter).includes(input);
}

function noteOf({ problem, settledBy, between, at }: Fault): Note {
  const [key] = Object.keys(settledBy ?? {});
  const nodes = between ?? (at === undefined ? [] : [at.node]);
  const place = { nodes, widget: at?.input };
  if (key === undefined) return { ...place, input: undefined, text: `${problem}.` };
  const input = nameFor(key);
  const advice = `Give the node that is meant the title input:${input} (or another name), or name it in the inputs file.`;
  return { ...place, input, text: `${problem}. ${advice}` };
}

function distinct(notes: readonly Note[]): Note[] {
  return [...new Map(notes.map((note) => [note.text, note])).values()];
}

/** A bindings file's key as the name of an input. */
function nameFor(key: string): string {
  const parameter = parameterCalled(key);
  return parameter === undefined ? key : inputName(parameter);
}
