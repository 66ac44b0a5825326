import type { Workflow } from '@comfy-fleet/client';

/** A place in the graph: a node by its id and a widget of it. */
export interface Place {
  readonly node: string;
  readonly widget: string;
}

/** What an inputs file says of an input. */
export interface InputEntry {
  readonly node: string | readonly (string | Place)[];
  readonly widget?: string | undefined;
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly options?: readonly (string | number)[] | undefined;
  readonly required?: boolean | undefined;
  readonly advanced?: boolean | undefined;
  readonly hidden?: boolean | undefined;
  readonly group?: string | undefined;
  readonly order?: number | undefined;
}

/** An inputs file; what the page does not change of it stays as it was. */
export interface InputsFile {
  readonly description?: string | undefined;
  readonly inputs?: Readonly<Record<string, InputEntry>>;
  /** Ids or titles of nodes, by name. */
  readonly outputs?: Readonly<Record<string, string>>;
}

/** An input as it is shown. */
export type FoundInput = Workflow['found'][number];

/** Names of inputs and outputs. */
export const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** An entry for places that were found otherwise until now. */
export function entryAt(places: readonly Place[]): InputEntry {
  const [first] = places;
  const nodes = places.map(({ node }) => node);
  if (first === undefined || places.some(({ widget }) => widget !== first.widget)) return { node: places };
  return { node: places.length === 1 ? first.node : nodes, widget: first.widget };
}

/** The name that the file gives to places, which is newer than what was found; undefined: it says nothing of them. */
export function nameAt({ inputs = {} }: InputsFile, places: readonly Place[]): string | undefined {
  const wanted = JSON.stringify(entryAt(places));
  const said = Object.entries(inputs).find(([, { node, widget }]) => JSON.stringify({ node, widget }) === wanted);
  return said?.[0];
}

/**
 * Says something of an input, and keeps the order in which all `shown` ones are. `isAdvanced`: forms fold it away until now,
 * which they go on doing though somebody has said something of it.
 */
export function withEntry(
  file: InputsFile,
  shown: readonly string[],
  {
    name,
    places,
    isAdvanced,
  }: { readonly name: string; readonly places: readonly Place[]; readonly isAdvanced: boolean },
  change: Partial<InputEntry>,
): InputsFile {
  const { inputs = {} } = file;
  const known: InputEntry = inputs[name] ?? { ...entryAt(places), ...(isAdvanced ? { advanced: true } : {}) };
  // which widget of a node is meant may have followed from the name
  const where = known.widget === undefined ? entryAt(places) : {};
  return inOrder({ ...file, inputs: { ...inputs, [name]: { ...known, ...where, ...change } } }, shown);
}

/** Gives an input of the file another name. */
export function withName(file: InputsFile, shown: readonly string[], from: string, to: string): InputsFile {
  const renamed = Object.entries(file.inputs ?? {}).map(([name, entry]) => [name === from ? to : name, entry] as const);
  const names = shown.map((name) => (name === from ? to : name));
  return inOrder({ ...file, inputs: Object.fromEntries(renamed) }, names);
}

/** Says nothing of an input any more. */
export function withoutEntry(file: InputsFile, shown: readonly string[], name: string): InputsFile {
  const { [name]: _gone, ...inputs } = file.inputs ?? {};
  return inOrder({ ...file, inputs }, shown);
}

/** Names an output. */
export function withOutput(file: InputsFile, node: string, name: string): InputsFile {
  const others = Object.entries(file.outputs ?? {}).filter(([, one]) => one !== node);
  return { ...file, outputs: Object.fromEntries([...others, [name, node]]) };
}

/** The names that the file says are no inputs. */
export function hiddenOf({ inputs = {} }: InputsFile): string[] {
  return Object.entries(inputs).flatMap(([name, { hidden }]) => (hidden === true ? [name] : []));
}

/**
 * The inputs of the file come first, unless an order is said, and the others have the numbers after them: so each gets a
 * number between those that it is shown between.
 */
function inOrder(file: InputsFile, shown: readonly string[]): InputsFile {
  const inputs = { ...file.inputs };
  const isSaid = (name: string) => Object.hasOwn(inputs, name) && inputs[name]?.hidden !== true;
  const said = shown.filter(isSaid).length;
  let others = 0;
  const ordered: Record<string, InputEntry> = {};
  for (const [index, name] of shown.entries()) {
    const entry = inputs[name];
    if (!isSaid(name) || entry === undefined) others += 1;
    else ordered[name] = { ...entry, order: said + others + (index + 1) / (shown.length + 1) };
  }
  return { ...file, inputs: { ...inputs, ...ordered } };
}
