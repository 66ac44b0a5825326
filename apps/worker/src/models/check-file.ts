import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { ModelFault } from './faults.js';

/** Extensions of files that can run code when they are loaded. */
const PICKLES = /\.(ckpt|pt|pt2|pth|bin|pkl)$/i;
const SAFETENSORS = /\.(safetensors|sft)$/i;

/** Headers of real files have some 100 KB, with the notes of their training at most a few MB. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;
/** A larger header is parsed in a thread of its own, because it could hold the event loop for too long. */
const MAX_INLINE_BYTES = 128 * 1024;
/** Memory for that, in MB, and time. */
const THREAD_MEMORY_MB = 192;
const THREAD_MS = 30_000;

/** Throws `pickle` for a name whose files are pickles, unless those are allowed; `not_a_model` for an unknown kind. */
export function checkName(name: string, allowPickle: boolean): void {
  if (SAFETENSORS.test(name) || /\.gguf$/i.test(name)) return;
  if (!PICKLES.test(name)) {
    throw new ModelFault('not_a_model', `${name} has no extension of a model file.`);
  }
  if (!allowPickle) throw new ModelFault('pickle', `${name} is a pickle, which can run code when it is loaded.`);
}

/** Checks that a file is what its name says. Throws a ModelFault. */
export async function checkFile(path: string, name: string, allowPickle: boolean): Promise<void> {
  checkName(name, allowPickle);
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = await readAt(file, 0, Math.min(size, 512));
    const fault = SAFETENSORS.test(name)
      ? await safetensorsFault(file, size, start)
      : /\.gguf$/i.test(name)
        ? ggufFault(start)
        : undefined;
    const isPickleName = PICKLES.test(name);
    if (fault === undefined && !isPickleName) return;
    if (isPage(start)) {
      throw new ModelFault('not_a_model', 'The source answered with a page or JSON text, not with a model file.');
    }
    if (isPickle(start)) {
      if (isPickleName) return;
      throw new ModelFault('pickle', `${name} has the content of a pickle, which can run code when it is loaded.`);
    }
    throw fault ?? new ModelFault('not_a_model', 'The file has the content of no model file.');
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let bytes = 0;
  while (bytes < length) {
    const { bytesRead } = await file.read(buffer, bytes, length - bytes, position + bytes);
    if (bytesRead === 0) break;
    bytes += bytesRead;
  }
  return buffer.subarray(0, bytes);
}

/** Eight bytes of length, a JSON object with the place of each tensor, and the tensors without gaps to the file's end. */
async function safetensorsFault(file: FileHandle, size: number, start: Buffer): Promise<ModelFault | undefined> {
  const invalid = (detail: string) => new ModelFault('not_a_model', `This is no valid safetensors file: ${detail}.`);
  if (start.length < 8) return invalid('it has fewer than 8 bytes');
  const length = start.readBigUInt64LE(0);
  if (length > MAX_HEADER_BYTES || length < 2) return invalid('the length of its header is not plausible');
  const headerBytes = Number(length);
  const incomplete = () => new ModelFault('truncated', `The file ends after ${size} bytes, before its content does.`);
  if (start[8] !== 0x7b) return invalid('its header is no JSON object');
  if (8 + headerBytes > size) return incomplete();
  const header = (await readAt(file, 8, headerBytes)).toString('utf8');
  const places = headerBytes > MAX_INLINE_BYTES ? await placesInThread(header) : placesIn(header);
  if ('fault' in places) return invalid(places.fault);
  const expected = 8 + headerBytes + places.end;
  if (size < expected) return incomplete();
  return size > expected ? invalid(`${size - expected} bytes follow its last tensor`) : undefined;
}

type Places = { readonly end: number } | { readonly fault: string };

/** Where the tensors of a header end, if they are without gaps. Uses nothing outside, because threads get its source. */
function placesIn(text: string): Places {
  const places: number[][] = [];
  try {
    const header: unknown = JSON.parse(text);
    if (typeof header !== 'object' || header === null || Array.isArray(header)) throw new Error();
    for (const [name, tensor] of Object.entries(header)) {
      if (name === '__metadata__') continue;
      const offsets: unknown = tensor?.data_offsets;
      const isValid = Array.isArray(offsets) && offsets.length === 2 && offsets.every((at) => Number.isSafeInteger(at));
      if (!isValid || offsets[0] < 0 || offsets[0] > offsets[1]) return { fault: 'the place of a tensor is not valid' };
      places.push(offsets);
    }
  } catch {
    return { fault: 'its header is no JSON object' };
  }
  places.sort((one, other) => Number(one[0]) - Number(other[0]) || Number(one[1]) - Number(other[1]));
  let end = 0;
  for (const [begin, next] of places) {
    if (begin !== end) return { fault: 'its tensors overlap or have gaps' };
    end = Number(next);
  }
  return { end };
}

async function placesInThread(text: string): Promise<Places> {
  const code = `const { parentPort, workerData } = require('node:worker_threads');
parentPort.postMessage((${placesIn.toString()})(workerData));`;
  const resourceLimits = { maxOldGenerationSizeMb: THREAD_MEMORY_MB };
  const thread = new Worker(code, { eval: true, workerData: text, resourceLimits });
  try {
    const [places] = (await once(thread, 'message', { signal: AbortSignal.timeout(THREAD_MS) })) as [Places];
    return places;
  } catch {
    return { fault: 'its header takes too much memory or time' };
  } finally {
    await thread.terminate();
  }
}

function ggufFault(start: Buffer): ModelFault | undefined {
  if (start.subarray(0, 4).toString('latin1') === 'GGUF') return undefined;
  return new ModelFault('not_a_model', 'This is no GGUF file.');
}

/** Whether the content is HTML, XML or JSON, after white space and a byte order mark. */
function isPage(start: Buffer): boolean {
  return /^\uFEFF?\s*([<{[]|$)/.test(start.toString('utf8'));
}

/** A ZIP archive, as PyTorch saves, or a bare pickle of protocol 2 or later. */
function isPickle(start: Buffer): boolean {
  const isZip = start.subarray(0, 4).toString('latin1') === 'PK\u0003\u0004';
  return isZip || (start[0] === 0x80 && start[1] !== undefined && start[1] >= 2 && start[1] <= 5);
}

/** Bytes that are hashed in one go, which takes some ms. */
const HASH_STEP_BYTES = 512 * 1024;

/** The SHA-256 of a file in hex. Leaves the event loop free between its steps. */
export async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(HASH_STEP_BYTES);
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
