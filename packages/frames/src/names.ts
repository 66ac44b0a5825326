import { FleetError, isId } from '@comfy-fleet/contracts';
import { FRAME_TYPES } from './frame-types.js';

const OUTPUT_NAME = /^(.{36})_[1-9]\d{0,3}\.[a-z0-9]{1,10}$/;
const FRAME_NAME = new RegExp(`^(.{36})_[1-9]\\d{0,3}\\.(?:${Object.keys(FRAME_TYPES).join('|')})$`);

/** The file of a job's nth output, counted from 1. */
export function frameName(jobId: string, n: number, extension = 'png'): string {
  return `${jobId}_${n}.${extension}`;
}

/** The file of an output of any kind. */
export function isOutputName(text: string): boolean {
  const id = OUTPUT_NAME.exec(text)?.[1];
  return id !== undefined && isId(id);
}

/** The file of an output that is a picture. */
export function isFrameName(text: string): boolean {
  const id = FRAME_NAME.exec(text)?.[1];
  return id !== undefined && isId(id);
}

/** The file of an input: a digest of its content (SHA-256 of a normalised picture, BLAKE3 of an asset) and its extension. */
export function inputName(digest: string, extension = 'png'): string {
  return `${digest}.${extension}`;
}

/** The job whose output, as it is or derived from it, has this name; undefined for any other name. */
export function jobOfPicture(name: string): string | undefined {
  const id = /^(.{36})_[1-9]\d{0,3}(_[a-z0-9]+)?\.[a-z0-9]+$/.exec(name)?.[1];
  return id !== undefined && isId(id) ? id : undefined;
}

export function isInputName(text: string): boolean {
  return /^[0-9a-f]{64}\.[a-z0-9]{1,10}$/.test(text);
}

/** The digest that `inputName` was given. */
export function inputDigest(name: string): string {
  return name.slice(0, name.indexOf('.'));
}

/** What a file is called where it comes from, without folders and what no header may have. */
export function plainName(filename: string): string {
  return filename
    .replace(/^.*[/\\]/s, '')
    .replace(/\p{Cc}/gu, '')
    .toWellFormed();
}

/** True for names that stay inside their folder: no separator, no leading dot, and an extension, which folders lack. */
export function isSafeName(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,200}\.[a-z0-9]{1,10}$/.test(text);
}

/** The name, for who puts something under it. Throws internal_error for one that is no safe name. */
export function safeName(name: string): string {
  if (isSafeName(name)) return name;
  throw new FleetError('internal_error', 'A file was given a name that is not a file name.');
}
