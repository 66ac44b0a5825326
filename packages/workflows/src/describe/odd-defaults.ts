import { showJson } from '../json-text.js';
import type { FoundInput } from './found-input.js';
import type { JsonSchema } from './input-schema.js';
import type { Note } from './note.js';

/** Defaults that nobody could send: jobs that leave the input out run with them all the same. */
export function oddDefaults(inputs: readonly FoundInput[], { properties }: JsonSchema): Note[] {
  const schemas = properties as Readonly<Record<string, JsonSchema>>;
  return inputs.flatMap(({ name, slots }): Note[] => {
    const { default: preset, minimum, maximum, enum: options } = schemas[name] ?? {};
    const fault = faultOf(preset, { minimum, maximum, options });
    if (fault === undefined) return [];
    const text = `The default of ${name}, ${showJson(preset)}, is ${fault}.`;
    return [{ text, nodes: slots.map(({ node }) => node), widget: slots[0]?.input, input: name }];
  });
}

function faultOf(
  preset: unknown,
  { minimum, maximum, options }: Readonly<Record<'minimum' | 'maximum' | 'options', unknown>>,
): string | undefined {
  if (preset === undefined) return undefined;
  if (Array.isArray(options)) return options.includes(preset) ? undefined : 'none of its options';
  if (typeof preset !== 'number') return undefined;
  if (typeof minimum === 'number' && preset < minimum) return `below its minimum ${minimum}`;
  return typeof maximum === 'number' && preset > maximum ? `above its maximum ${maximum}` : undefined;
}
