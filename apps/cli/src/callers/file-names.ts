import { extname } from 'node:path';
import { UsageError } from '../command.js';

const PLACES = ['id', 'index', 'seed', 'line'] as const;
const FORMATS: Readonly<Record<string, 'png' | 'jpeg' | 'webp'>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
};

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

/**
 * The template of -o as file names are made from it: a folder (it ends with a slash) becomes `folder/{id}-{index}`. With
 * `isMany` it has to name each job apart. Throws a UsageError.
 */
export function readTemplate(given: string, isMany: boolean): string {
  const template = given.endsWith('/') ? `${given}{id}-{index}` : given;
  for (const [, place = ''] of template.matchAll(/\{(\w*)\}/g)) {
    if (!(PLACES as readonly string[]).includes(place)) {
      throw new UsageError(`There is no {${place}} for -o: there are ${PLACES.map((name) => `{${name}}`).join(', ')}.`);
    }
  }
  if (isMany && !/\{(id|line)\}/.test(template)) {
    throw new UsageError('-o has to have {id} or {line} in it, so that each job has a file of its own.');
  }
  return template;
}

/**
 * The name of a file. Without {index}, those of a job that has several get it before the extension; without an extension
 * it is that of the file.
 */
export function fileName(template: string, { id, index, of, seed, line, filename }: NamedFile): string {
  const own = extname(template);
  const stem = own === '' ? template : template.slice(0, -own.length);
  const apart = of > 1 && !template.includes('{index}') ? `${stem}-{index}` : stem;
  const values = { id, index, seed: seed ?? 'none', line: line ?? 0 };
  const filled = apart.replace(/\{(\w+)\}/g, (_all, name: keyof typeof values) => String(values[name]));
  return filled + (own === '' ? extname(filename) : own);
}

/** The form to ask for, so that a picture is what its name says; undefined: as it is. */
export function formatOf(name: string, contentType: string): 'png' | 'jpeg' | 'webp' | undefined {
  const format = FORMATS[extname(name).toLowerCase()];
  return contentType.startsWith('image/') && contentType !== `image/${format}` ? format : undefined;
}
