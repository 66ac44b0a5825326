import type { Workflow } from '@comfy-fleet/client';

/** A widget of a node, by the node's id. */
export interface Place {
  readonly node: string;
  readonly widget: string;
}

/** An input's entry in the inputs file. */
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

/** An inputs file; the page preserves entries that it does not change. */
export interface InputsFile {
  readonly description?: string | undefined;
  readonly inputs?: Readonly<Record<string, InputEntry>>;
  /** Node ids or titles by output name. */
  readonly outputs?: Readonly<Record<string, string>>;
}

/** An input that the API found in the graph. */
export type FoundInput = Workflow['found'][number];

/** Valid names of inputs and outputs. */
export const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** A new entry for places that another rule has found so far. */
export function entryAt(places: readonly Place[]): InputEntry {
  const [first] = places;
  const nodes = places.map(({ node }) => node);
  if (first === undefined || places.some(({ widget }) => widget !== first.widget)) return { node: places };
  return { node: places.length === 1 ? first.node : nodes, widget: first.widget };
}

/** The file's name for these places, which is newer than the name in the API's answer; undefined if it has none. */
export function nameAt({ inputs = {} }: InputsFile, places: readonly Place[]): string | undefined {
  const wanted = JSON.stringify(entryAt(places));
  const said = Object.entries(inputs).find(([, { node, widget }]) => JSON.stringify({ node, widget }) === wanted);
  return said?.[0];
}

/**
 * Changes an input's entry and keeps the order of all `shown` inputs. An entry in the file would move an input out of
 * Advanced, so `isAdvanced` keeps it there.
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
  // the widget may have been implied by the input's name, so name it explicitly
  const where = known.widget === undefined ? entryAt(places) : {};
  return inOrder({ ...file, inputs: { ...inputs, [name]: { ...known, ...where, ...change } } }, shown);
}

/** Renames an input in the file. */
export function withName(file: InputsFile, shown: readonly string[], from: string, to: string): InputsFile {
  const renamed = Object.entries(file.inputs ?? {}).map(([name, entry]) => [name === from ? to : name, entry] as const);
  const names = shown.map((name) => (name === from ? to : name));
  return inOrder({ ...file, inputs: Object.fromEntries(renamed) }, names);
}

/** Removes an input's entry. */
export function withoutEntry(file: InputsFile, shown: readonly string[], name: string): InputsFile {
  const { [name]: _gone, ...inputs } = file.inputs ?? {};
  return inOrder({ ...file, inputs }, shown);
}

/** Names an output. */
export function withOutput(file: InputsFile, node: string, name: string): InputsFile {
  const others = Object.entries(file.outputs ?? {}).filter(([, one]) => one !== node);
  return { ...file, outputs: Object.fromEntries([...others, [name, node]]) };
}

/** The names that the file hides. */
export function hiddenOf({ inputs = {} }: InputsFile): string[] {
  return Object.entries(inputs).flatMap(([name, { hidden }]) => (hidden === true ? [name] : []));
}

/**
 * Sets `order` so that the inputs keep their displayed order. Inputs without an entry are numbered after those of the file,
 * so each entry gets a number between those of its neighbours.
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
