import type { Field } from './fields.js';

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
