import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { JobHandle, Output } from '@comfy-fleet/client';
import { fileName, formatOf } from './file-names.js';

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
