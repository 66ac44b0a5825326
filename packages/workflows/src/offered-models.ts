import type { Abilities, ModelKind } from '@comfy-fleet/contracts';
import type { Catalogue } from './describe/catalogue.js';
import { choicesOf, withOptions } from './describe/class-choices.js';
import { isModelFile } from './graph.js';
import { type KindOfInput, kindsOfInputs } from './model-kinds.js';

/** Which models an API key can choose. */
export interface ChoosableModels {
  /** Whether this file does not exist for the key. `kind` is undefined for inputs of custom nodes whose kind is unknown. */
  hides(kind: ModelKind | undefined, file: string): boolean;
  /** Models of the kind that it can choose although no instance may have them. */
  adds(kind: ModelKind): readonly string[];
}

/** What an instance offers to an API key. Contains a core loader of each kind whose custom nodes should be recognized. */
export function offeredAbilities(abilities: Abilities, models: ChoosableModels): Abilities {
  const kindOf = kindsOfInputs(abilities);
  return Object.fromEntries(
    Object.entries(abilities).map(([className, choices]) => [
      className,
      Object.fromEntries(
        Object.entries(choices).map(([input, options]) => [
          input,
          offered(kindOf(className, input, options), options, models),
        ]),
      ),
    ]),
  );
}

/** As offeredAbilities, for descriptions of node classes. */
export function offeredCatalogue(catalogue: Catalogue, models: ChoosableModels): Catalogue {
  const kindOf = kindsOfInputs(choicesOfAll(catalogue));
  const classes = Object.entries(catalogue);
  return Object.fromEntries(
    classes.map(([name, described]) => [name, offeredClass(name, described, { kindOf, models })]),
  );
}

/** The description of one class. `kindOf` knows what the core loaders of the same instances list. */
export function offeredClass(
  className: string,
  description: unknown,
  { kindOf, models }: { readonly kindOf: KindOfInput; readonly models: ChoosableModels },
): unknown {
  return withOptions(className, description, (input, options) =>
    offered(kindOf(className, input, options), options, models),
  );
}

export function choicesOfAll(catalogue: Catalogue): Abilities {
  return Object.fromEntries(Object.entries(catalogue).map(([name, described]) => [name, choicesOf(name, described)]));
}

function offered(
  kind: ModelKind | undefined,
  options: readonly string[],
  { hides, adds }: ChoosableModels,
): readonly string[] {
  const seen = options.filter((option) => !isModelFile(option) || !hides(kind, option));
  const known = new Set(options);
  const added = kind === undefined ? [] : adds(kind).filter((name) => !known.has(name));
  return seen.length === options.length && added.length === 0 ? options : [...seen, ...added];
}
