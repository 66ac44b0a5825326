import { sections } from '../describe/catalogue.js';
import { isRecord } from '../read-graph.js';

/** An input of a node, as its class describes it. */
export interface NodeInput {
  readonly name: string;
  /** Its name in ComfyUI's error if it is missing: `multiplier` for `resize_type.multiplier`. */
  readonly shortName: string;
  readonly isRequired: boolean;
  /** INT, FLOAT, …, the type of a link, or a list of options. */
  readonly type: unknown;
  /** Its options. */
  readonly options: readonly unknown[] | undefined;
  readonly more: Readonly<Record<string, unknown>>;
  /** Its configuration in ComfyUI's errors; null with more than 20 options, which would make errors long. */
  readonly config: readonly unknown[] | null;
}

/** Set for a growing list, and for options with their own inputs. */
const GROWING = 'COMFY_AUTOGROW_V3';
const BRANCHING = 'COMFY_DYNAMICCOMBO_V3';

/** The longest list of options that ComfyUI shows. */
export const MOST_SHOWN = 20;

/**
 * The inputs of a node with these values. An option with its own inputs only has them if it is chosen, and a growing
 * list has its minimum and the given ones; ComfyUI checks no more.
 */
export function nodeInputs(description: unknown, given: Readonly<Record<string, unknown>>): readonly NodeInput[] {
  if (!isRecord(description)) return [];
  const before = unvarying.get(description);
  if (before !== undefined) return before;
  const found: NodeInput[] = [];
  addAll(found, description.input, given, '');
  if (!isVarying(description.input)) unvarying.set(description, found);
  return found;
}

/** The inputs that all nodes of a class have, by its description. */
const unvarying = new WeakMap<object, readonly NodeInput[]>();

/** Whether the inputs of a node depend on their values. `input` is from the description of its class. */
function isVarying(input: unknown): boolean {
  const { required, optional } = sections(input);
  return [...Object.values(required), ...Object.values(optional)].some(
    (described) => Array.isArray(described) && (described[0] === GROWING || described[0] === BRANCHING),
  );
}

function addAll(found: NodeInput[], input: unknown, given: Readonly<Record<string, unknown>>, prefix: string): void {
  const { required, optional } = sections(input);
  for (const [name, described] of Object.entries(required)) add(found, { name, described, prefix }, true, given);
  for (const [name, described] of Object.entries(optional)) add(found, { name, described, prefix }, false, given);
}

interface Described {
  readonly name: string;
  readonly described: unknown;
  readonly prefix: string;
}

function add(
  found: NodeInput[],
  { name: shortName, described, prefix }: Described,
  isRequired: boolean,
  given: Readonly<Record<string, unknown>>,
): void {
  if (!Array.isArray(described)) return;
  const [type, second] = described as unknown[];
  const more = isRecord(second) ? second : {};
  const name = `${prefix}${shortName}`;
  if (type === GROWING) {
    grow(found, more.template, given, `${name}.`);
    return;
  }
  if (type === BRANCHING) {
    const keys = Array.isArray(more.options) ? more.options : [];
    const chosen: unknown = keys.find((option) => isRecord(option) && option.key === given[name]);
    if (!isRecord(chosen)) return;
    addAll(found, chosen.inputs, given, `${name}.`);
  }
  const listed = type === 'COMBO' && Array.isArray(more.options) ? (more.options as unknown[]) : [];
  const options = Array.isArray(type) ? (type as unknown[]) : type === 'COMBO' ? listed : undefined;
  const config = (options?.length ?? 0) > MOST_SHOWN ? null : [type, more];
  found.push({ name, shortName, isRequired, type, options, more, config });
}

function grow(found: NodeInput[], template: unknown, given: Readonly<Record<string, unknown>>, prefix: string): void {
  if (!isRecord(template)) return;
  const { required, optional } = sections(template.input);
  const [needed] = Object.values(required);
  const described = needed ?? Object.values(optional)[0];
  const least = needed === undefined ? 0 : Number(template.min);
  const names = Array.isArray(template.names) ? template.names.map(String) : undefined;
  const most = names?.length ?? Number(template.max);
  for (let index = 0; index < most; index += 1) {
    const name = names?.[index] ?? `${template.prefix}${index}`;
    const isRequired = index < least;
    if (isRequired || `${prefix}${name}` in given) add(found, { name, described, prefix }, isRequired, given);
  }
}
