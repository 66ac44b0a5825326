import { hash } from 'node:crypto';
import { FleetError, isId } from '@comfy-fleet/contracts';
import { FRAME_TYPES } from './frame-types.js';
import type { Container } from './rewrite-media.js';

const OUTPUT_NAME = /^(.{36})_[1-9]\d{0,3}\.[a-z0-9]{1,10}$/;
const FRAME_NAME = new RegExp(`^(.{36})_[1-9]\\d{0,3}\\.(?:${Object.keys(FRAME_TYPES).join('|')})$`);

/** The file name of a job's nth output, counted from 1. */
export function frameName(jobId: string, n: number, extension = 'png'): string {
  return `${jobId}_${n}.${extension}`;
}

/** Whether the text is the file name of an output of any kind. */
export function isOutputName(text: string): boolean {
  const id = OUTPUT_NAME.exec(text)?.[1];
  return id !== undefined && isId(id);
}

/** Whether the text is the file name of an output that is a picture. */
export function isFrameName(text: string): boolean {
  const id = FRAME_NAME.exec(text)?.[1];
  return id !== undefined && isId(id);
}

/** The file name of an input: the digest (SHA-256 of a normalised picture, BLAKE3 of an asset) and the extension. */
export function inputName(digest: string, extension = 'png'): string {
  return `${digest}.${extension}`;
}

/** The job whose output, or a variant of it, has this file name; undefined for other names. */
export function jobOfPicture(name: string): string | undefined {
  const id = /^(.{36})_[1-9]\d{0,3}(_[a-z0-9]+)?\.[a-z0-9]+$/.exec(name)?.[1];
  return id !== undefined && isId(id) ? id : undefined;
}

/** The file name of the copy of a video or a sound that ComfyUI gets in this container. */
export function copyName(name: string, container: Container): string {
  return inputName(hash('sha256', `${container} ${inputDigest(name)}`), container);
}

export function isInputName(text: string): boolean {
  return /^[0-9a-f]{64}\.[a-z0-9]{1,10}$/.test(text);
}

/** The digest in the file name of an input. */
export function inputDigest(name: string): string {
  return name.slice(0, name.indexOf('.'));
}

/** A caller's file name without folders and without characters that HTTP headers do not allow. */
export function plainName(filename: string): string {
  return filename
    .replace(/^.*[/\\]/s, '')
    .replace(/\p{Cc}/gu, '')
    .toWellFormed();
}

/** Whether a name stays inside its folder: no separator, no leading dot, and an extension, which subfolders lack. */
export function isSafeName(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,200}\.[a-z0-9]{1,10}$/.test(text);
}

/** Returns the name. Throws internal_error if it is not safe. */
export function safeName(name: string): string {
  if (isSafeName(name)) return name;
  throw new FleetError('internal_error', 'A file was to be stored under an invalid name.');
}
