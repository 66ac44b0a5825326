import type { FileKind } from '@comfy-fleet/contracts';
import { PARAMETERS, type Parameter } from '../bindings.js';
import type { Fault } from '../file-fault.js';
import type { Slot } from '../graph.js';

/** How an input was found, strongest first: later rules do not change what an earlier one found. */
export const RULES = {
  inputsFile: 'the inputs file',
  bindingsFile: 'the bindings file',
  title: 'the title of a node',
  appMode: 'App mode',
  wiring: 'class and wiring',
} as const;
export type Rule = keyof typeof RULES;

/** The properties of an input besides its places. */
export interface Told {
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: boolean;
  /** Lower numbers come first. */
  readonly order?: number;
  /** Inputs of a group are shown together. */
  readonly group?: string;
  /** The allowed values. */
  readonly options?: readonly (string | number)[];
  /** Whether forms hide it among advanced inputs; undefined: forms decide. */
  readonly advanced?: boolean;
  /** The kind of file that it takes, if the graph alone does not tell. */
  readonly file?: FileKind;
}

export interface FoundInput extends Told {
  readonly name: string;
  /** Every place gets the value. */
  readonly slots: readonly Slot[];
  readonly rule: Rule;
  /** Declared not to be an input; its name and places are reserved. */
  readonly hidden?: boolean;
  /** The input whose value it takes if the request sets none for it. */
  readonly follows?: 'seed';
}

/** The names of the inputs that `seed` sets, starting with itself. */
export function seedsOf({ inputs }: { readonly inputs: readonly FoundInput[] }): string[] {
  return ['seed', ...inputs.filter(({ follows }) => follows === 'seed').map(({ name }) => name)];
}

export interface FoundInputs {
  readonly inputs: readonly FoundInput[];
  /** What is ambiguous or wrong; such inputs are omitted. */
  readonly faults: readonly Fault[];
}

/** The name of a parameter for callers. */
export function inputName(parameter: Parameter): string {
  return parameter === 'sampler_name' ? 'sampler' : parameter;
}

/** The usual parameter with this name; undefined for any other name. */
export function parameterCalled(name: string): Parameter | undefined {
  return PARAMETERS.find((parameter) => inputName(parameter) === name || parameter === name);
}

/** Information about a workflow for its author, with the nodes concerned. */
export interface Note {
  /** A sentence. */
  readonly text: string;
  /** Ids. */
  readonly nodes: readonly string[];
  /** The node's widget, if it concerns one. */
  readonly widget: string | undefined;
  /** The input or output that it concerns, which may be missing. */
  readonly input: string | undefined;
}
