import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Fleet, GenerateRequest, JobHandle, OrderOptions, RunOptions, Workflow } from '@comfy-fleet/client';
import { butThereIs, UsageError } from '../command.js';

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

/** As they are written on the command line or in a sheet. */
export interface Inputs {
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Paths, by the names of inputs. */
  readonly files: Readonly<Record<string, string>>;
}

interface InputSchema {
  readonly type?: string | readonly string[];
  readonly contentMediaType?: string;
}

const WORDS: Readonly<Record<string, boolean>> = { true: true, false: false };

const described = new WeakMap<Fleet, Map<string, Promise<Workflow>>>();

/**
 * Texts become what the inputs of the workflow take: numbers, true and false; a text for a file input is the path of the
 * file, unless it says where the file is already (`asset:…`, an address). Throws a UsageError.
 */
export async function readInputs(fleet: Fleet, workflow: string, given: Inputs): Promise<Inputs> {
  const schemas = ((await describe(fleet, workflow)).inputs.properties ?? {}) as Readonly<Record<string, InputSchema>>;
  const files: Record<string, string> = {};
  const inputs: Record<string, unknown> = {};
  for (const [name, path] of Object.entries(given.files)) files[name] = path.replace(/^@/, '');
  for (const name of [...Object.keys(files), ...Object.keys(given.inputs)]) {
    if (Object.hasOwn(schemas, name)) continue;
    throw new UsageError(`${workflow} has no input ${name}${await butThereIs(name, Object.keys(schemas))}`);
  }
  for (const [name, value] of Object.entries(given.inputs)) {
    const schema = schemas[name] ?? {};
    if (isPath(schema, value)) files[name] = value.replace(/^@/, '');
    else inputs[name] = typeof value === 'string' ? typed(name, value, schema) : value;
  }
  return { inputs, files };
}

/** Once for all rows of a sheet. */
function describe(fleet: Fleet, workflow: string): Promise<Workflow> {
  const known = described.get(fleet) ?? new Map<string, Promise<Workflow>>();
  described.set(fleet, known);
  const asked = known.get(workflow) ?? fleet.workflow(workflow);
  known.set(workflow, asked);
  return asked;
}

function isPath({ contentMediaType }: InputSchema, value: unknown): value is string {
  return contentMediaType !== undefined && typeof value === 'string' && !/^(asset:|job:|https?:|data:)/.test(value);
}

function typed(name: string, text: string, { type }: InputSchema): unknown {
  if (type === 'integer' || type === 'number') {
    if (text.trim() === '' || !Number.isFinite(Number(text))) throw new UsageError(`${name} is a number, not ${text}.`);
    return Number(text);
  }
  if (type !== 'boolean') return text;
  const value = WORDS[text];
  if (value === undefined) throw new UsageError(`${name} is true or false, not ${text}.`);
  return value;
}
