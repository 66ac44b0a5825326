import type { Job, Output, Workflow } from '@comfy-fleet/client';

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

/** A picture, or another file, to start from: of this machine, or made by a job before. */
export type FileValue =
  | {
      readonly from: 'disk';
      readonly file: File;
      /** What it was before a mask was painted on it. */
      readonly plain?: FileValue | undefined;
    }
  | {
      readonly from: 'job';
      readonly job: string;
      /** Which of the job's outputs, from 0. */
      readonly index: number;
      /** `<job>_<n>.png` */
      readonly name: string;
      /** To show it. */
      readonly href: string;
    };

/** What stands in a form: texts as they were typed, and files. What is absent or empty is left to the workflow. */
export type FormValues = Readonly<Record<string, string | FileValue | undefined>>;

/** What a form comes to. */
export interface Filled {
  readonly inputs: Readonly<Record<string, string | number | boolean>>;
  readonly files: Readonly<Record<string, FileValue>>;
  /** Of fields that are missing or cannot be read, by name. */
  readonly faults: Readonly<Record<string, string>>;
}

export function fill(fields: readonly Field[], values: FormValues): Filled {
  const inputs: Record<string, string | number | boolean> = {};
  const files: Record<string, FileValue> = {};
  const faults: Record<string, string> = {};
  for (const field of fields) {
    const value = values[field.name];
    if (value === undefined || (typeof value === 'string' && value.trim() === '')) {
      if (field.isRequired) faults[field.name] = field.kind === 'file' ? 'Choose a file' : 'Write something here';
    } else if (typeof value !== 'string') files[field.name] = value;
    else {
      const input = inputOf(field, value);
      if (input === undefined) faults[field.name] = 'This is no number';
      else inputs[field.name] = input;
    }
  }
  return { inputs, files, faults };
}

function inputOf({ kind }: Field, text: string): string | number | boolean | undefined {
  if (kind === 'boolean') return text === 'true';
  // Seeds go up to 2^64: beyond what a number of JavaScript holds they stay text.
  if (kind === 'seed') return Number.isSafeInteger(Number(text)) ? Number(text) : text.trim();
  if (kind !== 'number') return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** An output of a job as what another one starts from. */
export function fileOfJob(job: Job, output: Output, index: number): FileValue {
  const name = new URL(output.link()).pathname.split('/').at(-1) ?? '';
  return { from: 'job', job: job.id, index, name, href: output.link({ width: 256, format: 'webp' }) };
}
