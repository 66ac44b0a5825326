import type { Job, Output, Workflow } from '@comfy-fleet/client';

/** The kind of form control for an input. */
export type FieldKind = 'prompt' | 'text' | 'number' | 'seed' | 'boolean' | 'choice' | 'file';

/** An input of a workflow, as the form shows it. */
export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly description: string | undefined;
  readonly group: string | undefined;
  readonly isRequired: boolean;
  /** Shown only under Advanced. */
  readonly isAdvanced: boolean;
  /** The workflow's value if the field is empty. */
  readonly preset: string | undefined;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  readonly isInteger: boolean;
  readonly options: readonly string[];
  /** Media type of a file input, such as `image/*`. */
  readonly accept: string | undefined;
  /** If the picture is a mask: `white` masks another picture, `alpha` masks the picture itself by transparency. */
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

/** Inputs of the text2img graph that POST /generate does not accept. */
const NOT_OF_TEXT2IMG = new Set(['denoise']);
/** Rules that mean that the author exposed an input deliberately. */
const CHOSEN = new Set(['inputs_file', 'title', 'app_mode']);

/** The inputs of a workflow in the order of its schema. */
export function fieldsOf({ name: workflow, inputs, found }: Pick<Workflow, 'name' | 'inputs' | 'found'>): Field[] {
  const properties = (inputs.properties ?? {}) as Readonly<Record<string, Property>>;
  const required = new Set((inputs.required ?? []) as readonly string[]);
  // /generate and /img2img require a prompt, whatever the graph says.
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
        // POST /img2img replaces transparency with white, so it takes no alpha mask.
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

/** The label of an input: `Negative prompt` for `negative_prompt`. */
export function labelOf(name: string): string {
  const words = name.replaceAll(/[._-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The value of a file input: a file from this machine, or an output of an earlier job. */
export type FileValue =
  | {
      readonly from: 'disk';
      readonly file: File;
      /** The original, before a mask was painted on it. */
      readonly plain?: FileValue | undefined;
    }
  | {
      readonly from: 'job';
      readonly job: string;
      /** The index of the job's output, from 0. */
      readonly index: number;
      /** `<job>_<n>.png` */
      readonly name: string;
      /** The address to show it from. */
      readonly href: string;
    };

/** The contents of a form: texts as typed, and files. Missing or empty values are left to the workflow. */
export type FormValues = Readonly<Record<string, string | FileValue | undefined>>;

/** The request inputs that a form yields. */
export interface Filled {
  readonly inputs: Readonly<Record<string, string | number | boolean>>;
  readonly files: Readonly<Record<string, FileValue>>;
  /** Messages by field, for values that are missing or invalid. */
  readonly faults: Readonly<Record<string, string>>;
}

export function fill(fields: readonly Field[], values: FormValues): Filled {
  const inputs: Record<string, string | number | boolean> = {};
  const files: Record<string, FileValue> = {};
  const faults: Record<string, string> = {};
  for (const field of fields) {
    const value = values[field.name];
    if (value === undefined || (typeof value === 'string' && value.trim() === '')) {
      if (field.isRequired) faults[field.name] = field.kind === 'file' ? 'Choose a file' : 'Enter a value';
    } else if (typeof value !== 'string') files[field.name] = value;
    else {
      const input = inputOf(field, value);
      if (input === undefined) faults[field.name] = 'Not a number';
      else inputs[field.name] = input;
    }
  }
  return { inputs, files, faults };
}

function inputOf({ kind }: Field, text: string): string | number | boolean | undefined {
  if (kind === 'boolean') return text === 'true';
  // Seeds go up to 2^64, beyond what a JavaScript number holds exactly, so large ones stay text.
  if (kind === 'seed') return Number.isSafeInteger(Number(text)) ? Number(text) : text.trim();
  if (kind !== 'number') return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** An output of a job as the value of a file input. */
export function fileOfJob(job: Job, output: Output, index: number): FileValue {
  const name = new URL(output.link()).pathname.split('/').at(-1) ?? '';
  return { from: 'job', job: job.id, index, name, href: output.link({ width: 256, format: 'webp' }) };
}
