import type { FileKind } from '@comfy-fleet/contracts';
import table from './node-table.json' with { type: 'json' };

/**
 * What an input of a ComfyUI node class takes, as a review of its source found:
 *
 * - `value`: a text or a number that is never a name; `choice`: an option that selects a behaviour; `model`: the name of a
 *   model, which ComfyUI looks up inside the folder of such models only
 * - `fixed`: an option that must stand in the graph itself, because the class trusts ComfyUI to have checked it
 * - `not:<option>`: the same, except for an option that makes more than is counted: latents of `pixel_space` have as many
 *   pixels as the picture, and files of `json` are indented
 * - `data`: any JSON, which the class reads without opening anything
 * - `link`: the output of another node
 * - `prefix`: the name under which an output is saved, which we replace
 * - `file:<kind>`: the name of a file that the class opens
 * - `expression`, `template`: a formula and a Python format string, which could reach into Python objects
 * - `numbers`, `short`: a list of numbers and a text that must be short, because the time that the class needs grows with
 *   the square of the length, and ComfyUI answers nobody meanwhile
 * - `max:<n>`: a number of at most n, where ComfyUI's own limit lets one node take all memory or hours
 * - `rate`: a sample rate. Where two sounds meet, ComfyUI makes a table of the product of their rates, divided by the square
 *   of their common factor
 * - `path`, `code`, `url`: what no key may choose
 * - `refused`: what no key may use, for example because it leaves files behind
 * - `unreviewed`: nobody has read the source yet
 */
export type InputKind =
  | 'value'
  | 'choice'
  | 'model'
  | 'fixed'
  | `not:${string}`
  | 'data'
  | 'link'
  | 'prefix'
  | `file:${FileKind}`
  | 'expression'
  | 'template'
  | 'numbers'
  | 'short'
  | `max:${number}`
  | 'rate'
  | 'path'
  | 'code'
  | 'url'
  | 'refused'
  | 'unreviewed';

/** A node class of ComfyUI. */
export interface ReviewedClass {
  /** The Python modules in which it has been defined. */
  readonly modules: readonly string[];
  /** Why graphs of API keys must not contain it. */
  readonly refused?: string;
  /** Its work per pixel compared with most classes: factors, and inputs whose numbers are factors. */
  readonly work?: readonly (number | string)[];
  /**
   * Pixels with the memory of what it makes of each picture that it gets, or of each second of sound, if that does not
   * depend on the size of the picture.
   */
  readonly each?: number;
  readonly inputs: Readonly<Record<string, InputKind>>;
}

/** Written by infra/nodes/update-table.mjs, reviewed by people. */
export const NODE_TABLE: ReadonlyMap<string, ReviewedClass> = new Map(
  Object.entries(table as unknown as Readonly<Record<string, ReviewedClass>>),
);

/** Undefined for a class or an input that is not in the table. Inputs of growing lists are listed as `images.*`. */
export function reviewedKind(className: string, input: string): InputKind | undefined {
  const inputs = NODE_TABLE.get(className)?.inputs;
  if (inputs === undefined) return undefined;
  if (Object.hasOwn(inputs, input)) return inputs[input];
  const dot = input.lastIndexOf('.');
  return dot < 0 ? undefined : inputs[`${input.slice(0, dot)}.*`];
}

/** The kind of file that the class opens by the name in this input; undefined for other inputs. */
export function reviewedFile(className: string, input: string): FileKind | undefined {
  const kind = reviewedKind(className, input);
  return kind?.startsWith('file:') ? (kind.slice('file:'.length) as FileKind) : undefined;
}
