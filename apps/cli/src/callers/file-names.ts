import { extname } from 'node:path';
import { Obstacle, UsageError } from '../command.js';

const PLACES = ['id', 'index', 'seed', 'line'] as const;
const FORMATS: Readonly<Record<string, 'png' | 'jpeg' | 'webp'>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
};

const PART = /^[\w-]+$/;
const EXTENSION = /^\.\w+$/;

/** One file of a job. */
export interface NamedFile {
  readonly id: string;
  /** 0 is the first. */
  readonly index: number;
  /** How many the job has. */
  readonly of: number;
  readonly seed: number | string | null;
  /** Of the sheet that the job is from, 1 is the first; undefined: it is from none. */
  readonly line?: number | undefined;
  /** As it is stored; its extension tells the kind. */
  readonly filename: string;
}

/** What a command writes the files of. */
export type Many = 'one job' | 'jobs' | 'rows';

/**
 * The template of -o as file names are made from it: a folder (it ends with a slash) becomes `folder/{id}-{index}`. Of many
 * it has to name each job apart. Throws a UsageError.
 */
export function readTemplate(given: string, many: Many): string {
  const template = given.endsWith('/') ? `${given}{id}-{index}` : given;
  const places = PLACES.filter((place) => place !== 'line' || many === 'rows').map((place) => `{${place}}`);
  for (const [place] of template.matchAll(/\{[^}]*\}/g)) {
    if (!places.includes(place))
      throw new UsageError(`There is no ${place} for -o here: there are ${places.join(', ')}.`);
  }
  if (many !== 'one job' && !/\{(id|line)\}/.test(template)) {
    const either = many === 'rows' ? '{id} or {line}' : '{id}';
    throw new UsageError(`-o has to have ${either} in it, so that each job has a file of its own.`);
  }
  return template;
}

/**
 * The name of a file. Without {index}, those of a job that has several get it before the extension; without an extension
 * it is that of the file. Throws an Obstacle where a value of the API is none for a file name.
 */
export function fileName(template: string, { id, index, of, seed, line, filename }: NamedFile): string {
  const own = extname(template);
  const stem = own === '' ? template : template.slice(0, -own.length);
  const apart = of > 1 && !template.includes('{index}') ? `${stem}-{index}` : stem;
  const values = { id, index, seed: seed ?? 'none', line: line ?? 0 };
  const filled = `${apart}${own}`.replace(/\{(\w+)\}/g, (_all, name: keyof typeof values) =>
    part(name, `${values[name]}`),
  );
  return own === '' && EXTENSION.test(extname(filename)) ? filled + extname(filename) : filled;
}

/** A value for a name. What an API calls a job or a seed must not lead out of the folder that the template names. */
function part(place: string, value: string): string {
  if (PART.test(value)) return value;
  throw new Obstacle(
    `The API gave ${JSON.stringify(value)} for {${place}}, which cannot be part of a file name: leave it out of -o.`,
  );
}

/** The form to ask for, so that a picture is what its name says; undefined: as it is. */
export function formatOf(name: string, contentType: string): 'png' | 'jpeg' | 'webp' | undefined {
  const format = FORMATS[extname(name).toLowerCase()];
  return contentType.startsWith('image/') && contentType !== `image/${format}` ? format : undefined;
}
