import type { RequestLimits } from '@comfy-fleet/contracts';
import { isPlainPath } from '@comfy-fleet/jobs';
import { invalidField } from './errors.js';

/** What is said of a file, by form or as JSON. */
export interface AssetSaid {
  readonly path: string | undefined;
  readonly tags: readonly string[] | undefined;
  readonly lifeMs: number | undefined;
}

const LEAST_SECONDS = 60;
const MOST_SECONDS = 604_800;

/** Throws validation_failed. Of a form, numbers are text, and what is given once is no list. */
export function readAssetSaid(fields: Readonly<Record<string, unknown>>, limits: RequestLimits): AssetSaid {
  return {
    path: pathOf(fields.file_path),
    tags: tagsOf(fields.tags, limits.maxMetadataBytes),
    lifeMs: lifeOf(fields.expires_in),
  };
}

/** What graphs call the file. */
export function nameOf(path: string): string {
  return path.replace(/^input\//, '');
}

function pathOf(given: unknown): string | undefined {
  if (given === undefined || given === null) return undefined;
  if (typeof given !== 'string' || !isPlainPath(given)) {
    throw invalidField('file_path', 'must be a path such as photo.png or sub/photo.png, without ".." and "\\"');
  }
  if (given.startsWith('models/')) {
    throw invalidField('file_path', 'names a model, and models are put into the instances by whoever runs them');
  }
  return given;
}

function tagsOf(given: unknown, mostBytes: number): readonly string[] | undefined {
  if (given === undefined || given === null) return undefined;
  const tags = [given].flat() as unknown[];
  if (tags.every((tag) => typeof tag === 'string') && Buffer.byteLength(JSON.stringify(tags)) <= mostBytes) return tags;
  throw invalidField('tags', `must be texts, of at most ${mostBytes} bytes together`);
}

function lifeOf(given: unknown): number | undefined {
  if (given === undefined || given === null) return undefined;
  const isNumber = typeof given === 'number' || (typeof given === 'string' && /^\d{1,7}$/.test(given));
  const seconds = isNumber ? Number(given) : Number.NaN;
  if (Number.isInteger(seconds) && seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS) return seconds * 1000;
  throw invalidField('expires_in', `must be a whole number of seconds from ${LEAST_SECONDS} to ${MOST_SECONDS}`);
}
