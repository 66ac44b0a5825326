import type { Workflow } from '@comfy-fleet/client';

/** How an input is asked for. */
export type FieldKind = 'prompt' | 'text' | 'number' | 'seed' | 'boolean' | 'choice' | 'file';

/** An input of a workflow, as the form shows it. */
export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly description: string | undefined;
  readonly group: string | undefined;
  readonly isRequired: boolean;
  /** Folded away until somebody wants it. */
  readonly isAdvanced: boolean;
  /** What the workflow takes where nothing is given. */
  readonly preset: string | undefined;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  readonly isInteger: boolean;
  readonly options: readonly string[];
  /** Media type of a file, such as `image/*`. */
  readonly accept: string | undefined;
  /** Of a picture that is a mask: of another one (`white`), or of itself by what is transparent (`alpha`). */
  readonly mask: 'white' | 'alpha' | undefined;
}

interface Property {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly contentMediaType?: string;
  readonly 'x-multiline'?: boolean;
  readonly 'x-group'?: string;
  readonly 'x-mask'?: 'white' | 'alpha';
  readonly 'x-advanced'?: boolean;
}

/** What POST /generate does not take, though the graph of text2img has it. */
const NOT_OF_TEXT2IMG = new Set(['denoise']);
/** Rules by which an author chose an input on purpose. */
const CHOSEN = new Set(['inputs_file', 'title', 'app_mode']);

/** The inputs of a workflow in the order of its schema. */
export function fieldsOf({ name: workflow, inputs, found }: Pick<Workflow, 'name' | 'inputs' | 'found'>): Field[] {
  const properties = (inputs.properties ?? {}) as Readonly<Record<string, Property>>;
  const required = new Set((inputs.required ?? []) as readonly string[]);
  // /generate and /img2img want a prompt, whatever the graph says.
  if (workflow === 'text2img' || workflow === 'img2img') required.add('prompt');
  const chosen = new Set(found.filter(({ rule }) => CHOSEN.has(rule)).map(({ input }) => input));
  return Object.entries(properties)
    .filter(([name]) => workflow !== 'text2img' || !NOT_OF_TEXT2IMG.has(name))
    .map(([name, property]) => {
      const kind = kindOf(property);
      const isRequired = required.has(name);
      const isPlain = isRequired || kind === 'prompt' || kind === 'file' || chosen.has(name);
      return {
        name,
        kind,
        description: property.description,
        group: property['x-group'],
        isRequired,
        isAdvanced: property['x-advanced'] ?? (!isPlain || name === 'negative_prompt'),
        preset: property.default === undefined ? undefined : String(property.default),
        minimum: property.minimum,
        maximum: property.maximum,
        isInteger: property.type === 'integer',
        options: (property.enum ?? []).map(String),
        accept: property.contentMediaType,
        // POST /img2img puts what is transparent on white.
        mask: workflow === 'img2img' ? undefined : property['x-mask'],
      };
    });
}

function kindOf(property: Property): FieldKind {
  const { type, enum: options, contentMediaType } = property;
  if (contentMediaType !== undefined) return 'file';
  if (options !== undefined) return 'choice';
  if (Array.isArray(type)) return 'seed';
  if (type === 'boolean') return 'boolean';
  if (type === 'integer' || type === 'number') return 'number';
  return property['x-multiline'] === true ? 'prompt' : 'text';
}

/** `negative_prompt` as people read it. */
export function labelOf(name: string): string {
  const words = name.replaceAll(/[._-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
