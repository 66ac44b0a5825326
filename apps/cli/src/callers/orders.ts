import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Fleet, GenerateRequest, JobHandle, OrderOptions, RunOptions } from '@comfy-fleet/client';
import { type Inputs, readInputs } from './workflow-inputs.js';

/** What is to be made, ready to be asked for. */
export interface Order {
  /** The same for orders that ask for the same, files included. */
  readonly identity: string;
  place(options: OrderOptions): Promise<JobHandle>;
}

type Fields = Readonly<Record<string, unknown>>;

export function generateOrder(fleet: Fleet, fields: Fields): Order {
  const request = fields as unknown as GenerateRequest;
  return { identity: identityOf('generate', fields), place: (options) => fleet.generate(request, options) };
}

/** `image` is a file, or an http(s) address. */
export async function img2imgOrder(fleet: Fleet, image: string, fields: Fields): Promise<Order> {
  const request = fields as unknown as GenerateRequest;
  if (/^https?:\/\//.test(image)) {
    const whole = { ...request, image_url: image };
    return { identity: identityOf('img2img', whole), place: (options) => fleet.img2img(whole, options) };
  }
  const content = await readBlob(image.replace(/^@/, ''));
  const identity = identityOf('img2img', fields, await digest(content));
  return { identity, place: (options) => fleet.img2img({ ...request, image: content }, options) };
}

/** Throws a UsageError for inputs that the workflow has not. */
export async function runOrder(
  fleet: Fleet,
  { workflow, inputs, files, fields }: { readonly workflow: string; readonly fields: Fields } & Inputs,
): Promise<Order> {
  const given = await readInputs(fleet, workflow, { inputs, files });
  const contents: Record<string, File> = {};
  const digests: Record<string, string> = {};
  for (const [name, path] of Object.entries(given.files)) {
    const content = await readBlob(path);
    contents[name] = content;
    digests[name] = await digest(content);
  }
  const options = { ...fields, files: contents } as RunOptions;
  return {
    identity: identityOf('run', workflow, given.inputs, fields, digests),
    place: (more) => fleet.run(workflow, given.inputs, { ...options, ...more }),
  };
}

async function readBlob(path: string): Promise<File> {
  return new File([await readFile(path)], basename(path));
}

async function digest(content: Blob): Promise<string> {
  return createHash('sha256')
    .update(new Uint8Array(await content.arrayBuffer()))
    .digest('hex');
}

function identityOf(...parts: readonly unknown[]): string {
  return JSON.stringify(parts);
}
