import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { JobHandle, Output } from '@comfy-fleet/client';
import { Obstacle, UsageError } from '../command.js';

export interface Saving {
  /** See readTemplate. */
  readonly template: string;
  readonly line?: number | undefined;
  /** Of pictures, in pixels. */
  readonly width?: number | undefined;
  readonly signal?: AbortSignal;
}

/** A file of a job, and where it is now. */
export interface SavedFile {
  readonly job: string;
  readonly index: number;
  readonly path: string;
  readonly bytes: number;
}

/** Writes all files of a job, and tells of each. One that is there already is replaced, once the new one is whole. */
export async function* saveOutputs(job: JobHandle, saving: Saving): AsyncGenerator<SavedFile> {
  const { outputs, snapshot } = job;
  for (const [index, output] of outputs.entries()) {
    const { template, line } = saving;
    const named = { id: job.id, index, of: outputs.length, seed: snapshot.seed, line, filename: output.filename };
    const path = fileName(template, named);
    yield { job: job.id, index, path, bytes: await save(output, path, saving) };
  }
}

async function save(output: Output, path: string, { width, signal }: Saving): Promise<number> {
  const format = formatOf(path, output.content_type);
  const isPicture = output.content_type.startsWith('image/');
  const wish = {
    ...(format === undefined ? {} : { format }),
    ...(width === undefined || !isPicture ? {} : { width }),
    ...(signal === undefined ? {} : { signal }),
  };
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.part`;
  // Opened first: nothing is asked of the API for a file that cannot be written.
  const file = (await open(part, 'w')).createWriteStream();
  try {
    // Node and the browser each have types of their own for the same thing.
    const content = Readable.fromWeb((await output.stream(wish)) as ReadableStream);
    await pipeline(content, file, signal === undefined ? {} : { signal });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return file.bytesWritten;
}

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
