import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { JobHandle, Output } from '@comfy-fleet/client';
import { CommandError, UsageError } from '../command.js';

export interface Saving {
  /** See readTemplate. */
  readonly template: string;
  readonly line?: number | undefined;
  /** Width of pictures, in pixels. */
  readonly width?: number | undefined;
  readonly signal?: AbortSignal;
}

/** A file of a job, as it was saved. */
export interface SavedFile {
  readonly job: string;
  readonly index: number;
  readonly path: string;
  readonly bytes: number;
}

/** Saves all files of a job and yields each. An existing file is replaced only once the new one is complete. */
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
  const request = {
    ...(format === undefined ? {} : { format }),
    ...(width === undefined || !isPicture ? {} : { width }),
    ...(signal === undefined ? {} : { signal }),
  };
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.part`;
  // Open the file first, so that we do not download what cannot be written.
  const file = (await open(part, 'w')).createWriteStream();
  try {
    // Node and the DOM declare different types for the same stream.
    const content = Readable.fromWeb((await output.stream(request)) as ReadableStream);
    await pipeline(content, file, signal === undefined ? {} : { signal });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return file.bytesWritten;
}

const PLACEHOLDERS = ['id', 'index', 'seed', 'line'] as const;
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
  /** How many files the job has. */
  readonly of: number;
  readonly seed: number | string | null;
  /** The row of the sheet that the job was made from, from 1; undefined if there is no sheet. */
  readonly line?: number | undefined;
  /** Its name in the store, whose extension says the kind. */
  readonly filename: string;
}

/** Whose files a command saves. */
export type Many = 'one job' | 'jobs' | 'rows';

/**
 * Checks the value of -o and returns it as a template for file names: a folder (with a slash at its end) becomes
 * `folder/{id}-{index}`. For many jobs, the template must name each apart. Throws a UsageError.
 */
export function readTemplate(given: string, many: Many): string {
  const template = given.endsWith('/') ? `${given}{id}-{index}` : given;
  const placeholders = PLACEHOLDERS.filter((placeholder) => placeholder !== 'line' || many === 'rows').map(
    (placeholder) => `{${placeholder}}`,
  );
  for (const [placeholder] of template.matchAll(/\{[^}]*\}/g)) {
    if (!placeholders.includes(placeholder))
      throw new UsageError(`-o cannot contain ${placeholder} here, only ${placeholders.join(', ')}.`);
  }
  if (many !== 'one job' && !/\{(id|line)\}/.test(template)) {
    const either = many === 'rows' ? '{id} or {line}' : '{id}';
    throw new UsageError(`-o must contain ${either}, so that each job has its own file.`);
  }
  return template;
}

/**
 * Fills in the template. If a job has several files and the template has no {index}, the index goes before the extension; a
 * template without an extension gets the stored file's. Throws a CommandError if a value from the API cannot be in a name.
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

/** Rejects values that could lead out of the template's folder, since we do not trust the API with paths. */
function part(placeholder: string, value: string): string {
  if (PART.test(value)) return value;
  throw new CommandError(
    `The API returned ${JSON.stringify(value)} for {${placeholder}}, which cannot be part of a file name: remove {${placeholder}} from -o.`,
  );
}

/** The format to request, so that a picture matches its file's extension; undefined: as it is stored. */
export function formatOf(name: string, contentType: string): 'png' | 'jpeg' | 'webp' | undefined {
  const format = FORMATS[extname(name).toLowerCase()];
  return contentType.startsWith('image/') && contentType !== `image/${format}` ? format : undefined;
}
