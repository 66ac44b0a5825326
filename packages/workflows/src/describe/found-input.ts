import type { FileKind } from '@comfy-fleet/contracts';
import type { Fault } from '../file-fault.js';
import type { Slot } from '../graph.js';

/** How an input was found, the strongest first: what one finds the later ones do not change. */
export const RULES = {
  inputsFile: 'the inputs file',
  bindingsFile: 'the bindings file',
  title: 'the title of a node',
  appMode: 'App mode',
  wiring: 'class and wiring',
} as const;
export type Rule = keyof typeof RULES;

/** What is said of an input besides where it stands. */
export interface Told {
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: boolean;
  /** The lower come first. */
  readonly order?: number;
  /** Inputs of a group belong together, for people. */
  readonly group?: string;
  /** All that it may be. */
  readonly options?: readonly (string | number)[];
  /** Whether forms fold it away; undefined: as they like. */
  readonly advanced?: boolean;
  /** The kind of file that it takes, where the graph alone does not tell. */
  readonly file?: FileKind;
}

export interface FoundInput extends Told {
  readonly name: string;
  /** Every place gets the value. */
  readonly slots: readonly Slot[];
  readonly rule: Rule;
  /** Said to be none: its name and place are nobody else's either. */
  readonly hidden?: boolean;
  /** The input whose value it takes where the request gives it none of its own. */
  readonly follows?: 'seed';
}

/** The names of the inputs that `seed` sets, itself first. */
export function seedsOf({ inputs }: { readonly inputs: readonly FoundInput[] }): string[] {
  return ['seed', ...inputs.filter(({ follows }) => follows === 'seed').map(({ name }) => name)];
}

export interface FoundInputs {
  readonly inputs: readonly FoundInput[];
  /** What is open or wrong; such inputs are not there. */
  readonly faults: readonly Fault[];
}
