import type { Abilities } from '@comfy-fleet/contracts';
import { choicesOf, describeReplaced, type Replacement, readReplacements } from '@comfy-fleet/workflows';
import { isObject, type JsonObject, listOr, objectOr } from './json.js';

/** The node classes of an instance, as GET /object_info describes them. */
export interface ObjectInfo {
  /** Every node class, custom nodes included. */
  readonly classes: ReadonlySet<string>;
  /**
   * The options of an input in ComfyUI's order, from both forms (`[[...], {}]` and `["COMBO", {options}]`); undefined
   * for an unknown class or input, for an input without options, and for the list of uploaded pictures.
   */
  choices(className: string, input: string): readonly string[] | undefined;
}

/** Reads GET /object_info or GET /object_info/{class}; undefined if it has another shape. */
export function readObjectInfo(value: unknown): ObjectInfo | undefined {
  if (!isObject(value) || !Object.values(value).every(isObject)) return undefined;
  return {
    classes: new Set(Object.keys(value)),
    choices: (className, input) => {
      const { required, optional } = objectOr(objectOr(Object.hasOwn(value, className) && value[className]).input);
      return readChoices(objectOr(required)[input] ?? objectOr(optional)[input]);
    },
  };
}

/** The options in the description of one input; undefined if it has none, or if it lists uploaded pictures. */
export function readChoices(config: unknown): readonly string[] | undefined {
  const [kind, options] = listOr(config);
  if (objectOr(options).image_upload === true) return undefined;
  const choices = kind === 'COMBO' ? objectOr(options).options : kind;
  return Array.isArray(choices) ? choices.filter((choice) => typeof choice === 'string') : undefined;
}

/** The calls of ComfyClient that readAbilities needs. */
export interface ClassCalls {
  nodeClass(signal: AbortSignal, className: string): Promise<JsonObject | undefined>;
  nodeReplacements(signal: AbortSignal): Promise<JsonObject>;
}

/** Reads these node classes one by one: a few kB instead of the whole catalogue. Throws as the client does. */
export async function readAbilities(
  client: ClassCalls,
  classes: Iterable<string>,
  signal: AbortSignal,
): Promise<Abilities> {
  const abilities: Record<string, Abilities[string]> = {};
  let replacements: ReadonlyMap<string, Replacement> | undefined;
  for (const className of classes) {
    const description = await client.nodeClass(signal, className);
    if (description !== undefined) {
      abilities[className] = choicesOf(className, description);
      continue;
    }
    replacements ??= readReplacements(await client.nodeReplacements(signal));
    const replacement = replacements.get(className);
    const instead = replacement && (await client.nodeClass(signal, replacement.className));
    if (replacement && instead) abilities[className] = choicesOf(className, describeReplaced(replacement, instead));
  }
  return abilities;
}
