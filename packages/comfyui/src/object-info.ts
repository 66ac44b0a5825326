import { isObject, listOr, objectOr } from './shapes.js';

/** What GET /object_info says of the node classes of an instance. */
export interface ObjectInfo {
  /** Every node class, custom nodes included. */
  readonly classes: ReadonlySet<string>;
  /**
   * The choices of an input, in ComfyUI's order, from both forms (`[[...], {}]` and `["COMBO", {options}]`); undefined
   * for an unknown class or input, for an input that is no choice, and for the list of pictures that people uploaded.
   */
  choices(className: string, input: string): readonly string[] | undefined;
}

/** Reads GET /object_info or GET /object_info/{class}; undefined if it has not that shape. */
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

/** The choices in the description of one input; undefined if it is no choice, or one among uploaded pictures. */
export function readChoices(config: unknown): readonly string[] | undefined {
  const [kind, options] = listOr(config);
  if (objectOr(options).image_upload === true) return undefined;
  const choices = kind === 'COMBO' ? objectOr(options).options : kind;
  return Array.isArray(choices) ? choices.filter((choice) => typeof choice === 'string') : undefined;
}
