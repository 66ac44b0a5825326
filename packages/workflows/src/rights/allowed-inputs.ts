import { type AllowedInputs, type AllowedNodes, FILE_KINDS, matchesAny } from '@comfy-fleet/contracts';
import { type Catalogue, modulesOf, sections } from '../describe/catalogue.js';
import { isRecord } from '../read-graph.js';

/** The entry of ALLOWED_NODES_FILE for the inputs of a class; undefined if it does not allow the class. */
export function allowedInputs(
  { classes = {}, packs = {} }: AllowedNodes,
  className: string,
  description: unknown,
): AllowedInputs | undefined {
  const modules = modulesOf(description);
  const ofPack = (pack: string) =>
    modules.length > 0 && modules.every((module) => module === pack || module.startsWith(`${pack}.`));
  const found = Object.keys(packs)
    .filter(ofPack)
    .map((pack) => packs[pack]);
  if (Object.hasOwn(classes, className)) found.push(classes[className]);
  return found.length === 0 ? undefined : Object.assign({}, ...found);
}

const marked = new WeakMap<AllowedNodes, WeakMap<Catalogue, Catalogue>>();

/**
 * Marks the file widgets of ALLOWED_NODES_FILE like ComfyUI's own uploads, so that all users of the catalogue treat
 * them as files. Returns the same object for the same catalogue.
 */
export function withFileWidgets(catalogue: Catalogue, allowed: AllowedNodes): Catalogue {
  const known = marked.get(allowed) ?? new WeakMap<Catalogue, Catalogue>();
  marked.set(allowed, known);
  const made = known.get(catalogue) ?? markAll(catalogue, allowed);
  known.set(catalogue, made);
  return made;
}

function markAll(catalogue: Catalogue, allowed: AllowedNodes): Catalogue {
  const changed = Object.entries(catalogue).flatMap(([className, description]) => {
    const inputs = allowedInputs(allowed, className, description) ?? {};
    const files = Object.entries(inputs).filter(([, kind]) => FILE_KINDS.some((one) => one === kind));
    return files.length > 0 && isRecord(description) ? [[className, markFiles(description, files)] as const] : [];
  });
  return changed.length === 0 ? catalogue : { ...catalogue, ...Object.fromEntries(changed) };
}

function markFiles(description: Readonly<Record<string, unknown>>, files: readonly (readonly [string, string])[]) {
  const mark = (inputs: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(
      Object.entries(inputs).map(([input, described]) => {
        const kind = files.find(([pattern]) => matchesAny(input, [pattern]))?.[1];
        if (kind === undefined || !Array.isArray(described)) return [input, described];
        return [input, [described[0], { ...Object(described[1]), [`${kind}_upload`]: true }]];
      }),
    );
  const { required, optional } = sections(description.input);
  return {
    ...description,
    input: { ...Object(description.input), required: mark(required), optional: mark(optional) },
  };
}
