import { isObject, type Json, type JsonObject } from '../json/values.js';

/** One input of a node class as /object_info describes it: `[type or choices, options]`. */
export interface InputSpec {
  readonly required: boolean;
  readonly type: Json;
  readonly options: JsonObject;
  /** As the server shows it in an error: always a pair. */
  readonly config: Json;
  /** What it is called where it is missing: `multiplier` for `resize_type.multiplier`. */
  readonly shortName: string;
}

const CATEGORIES = ['required', 'optional'] as const;

/**
 * The inputs that a node has with these values. A choice that brings inputs of its own stands only where its value is
 * one of its keys, and a growing list as its least number and those given beyond: ComfyUI refuses neither an unknown
 * key nor a missing choice of that kind, and fails when it runs the node.
 */
export function inputSpecs(described: JsonObject, given: JsonObject): ReadonlyMap<string, InputSpec> {
  const specs = new Map<string, InputSpec>();
  addAll(specs, described, given, '');
  return specs;
}

function addAll(specs: Map<string, InputSpec>, input: Json | undefined, given: JsonObject, prefix: string): void {
  for (const category of CATEGORIES) {
    const named = isObject(input) ? input[category] : undefined;
    for (const [name, pair] of Object.entries(isObject(named) ? named : {})) {
      add(specs, name, pair as Json[], category === 'required', given, prefix);
    }
  }
}

function add(
  specs: Map<string, InputSpec>,
  shortName: string,
  pair: readonly Json[],
  required: boolean,
  given: JsonObject,
  prefix: string,
): void {
  const name = `${prefix}${shortName}`;
  const type = pair[0] ?? null;
  const options = isObject(pair[1]) ? pair[1] : {};
  if (type === 'COMFY_AUTOGROW_V3') {
    grow(specs, options.template, given, `${name}.`);
    return;
  }
  if (type === 'COMFY_DYNAMICCOMBO_V3') {
    const chosen = (options.options as Json[]).find((option) => isObject(option) && option.key === given[name]);
    if (!isObject(chosen)) return;
    addAll(specs, chosen.inputs, given, `${name}.`);
  }
  specs.set(name, { required, type, options, config: [type, options], shortName });
}

function grow(specs: Map<string, InputSpec>, template: Json | undefined, given: JsonObject, prefix: string): void {
  if (!isObject(template) || !isObject(template.input)) return;
  const { input } = template;
  const category = CATEGORIES.find((each) => Object.keys((input[each] ?? {}) as JsonObject).length > 0) ?? 'optional';
  const [pair] = Object.values((input[category] ?? {}) as Record<string, Json[]>);
  if (pair === undefined) return;
  const numbered = () => Array.from({ length: Number(template.max) }, (_, index) => `${template.prefix}${index}`);
  const names = Array.isArray(template.names) ? template.names.map(String) : numbered();
  for (const [index, name] of names.entries()) {
    const required = category === 'required' && index < Number(template.min);
    if (required || given[`${prefix}${name}`] !== undefined) add(specs, name, pair, required, given, prefix);
  }
}
