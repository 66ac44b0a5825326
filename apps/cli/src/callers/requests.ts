import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Fleet, GenerateRequest, JobHandle, OrderOptions, RunOptions, Workflow } from '@comfy-fleet/client';
import { suggestNames, UsageError } from '../command.js';

/** A job request, ready to be sent. */
export interface JobRequest {
  /** Equal for requests that ask for the same, files included. */
  readonly identity: string;
  send(options: OrderOptions): Promise<JobHandle>;
}

type Fields = Readonly<Record<string, unknown>>;

export function prepareGenerate(fleet: Fleet, fields: Fields): JobRequest {
  const request = fields as unknown as GenerateRequest;
  return { identity: identityOf('generate', fields), send: (options) => fleet.generate(request, options) };
}

/** `image` is a file or an http(s) address. */
export async function prepareImg2img(fleet: Fleet, image: string, fields: Fields): Promise<JobRequest> {
  const request = fields as unknown as GenerateRequest;
  if (/^https?:\/\//.test(image)) {
    const whole = { ...request, image_url: image };
    return { identity: identityOf('img2img', whole), send: (options) => fleet.img2img(whole, options) };
  }
  const content = await readBlob(image.replace(/^@/, ''));
  const identity = identityOf('img2img', fields, await digest(content));
  return { identity, send: (options) => fleet.img2img({ ...request, image: content }, options) };
}

/** Throws a UsageError for inputs that the workflow does not have. */
export async function prepareRun(
  fleet: Fleet,
  { workflow, inputs, files, fields }: { readonly workflow: string; readonly fields: Fields } & Inputs,
): Promise<JobRequest> {
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
    send: (more) => fleet.run(workflow, given.inputs, { ...options, ...more }),
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

/** Inputs as the command line or a sheet names them. */
export interface Inputs {
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Paths by input name. */
  readonly files: Readonly<Record<string, string>>;
}

interface InputSchema {
  readonly type?: string | readonly string[];
  readonly contentMediaType?: string;
}

const WORDS: Readonly<Record<string, boolean>> = { true: true, false: false };

const described = new WeakMap<Fleet, Map<string, Promise<Workflow>>>();

/**
 * Converts texts to the types of the workflow's inputs. A text for a file input is a path, unless it names a file elsewhere
 * (`asset:…`, a URL). Throws a UsageError.
 */
export async function readInputs(fleet: Fleet, workflow: string, given: Inputs): Promise<Inputs> {
  const schemas = ((await describe(fleet, workflow)).inputs.properties ?? {}) as Readonly<Record<string, InputSchema>>;
  const files: Record<string, string> = {};
  const inputs: Record<string, unknown> = {};
  for (const [name, path] of Object.entries(given.files)) files[name] = path.replace(/^@/, '');
  for (const name of [...Object.keys(files), ...Object.keys(given.inputs)]) {
    if (Object.hasOwn(schemas, name)) continue;
    throw new UsageError(`${workflow} has no input ${name}${await suggestNames(name, Object.keys(schemas))}`);
  }
  for (const [name, value] of Object.entries(given.inputs)) {
    const schema = schemas[name] ?? {};
    if (isPath(schema, value)) files[name] = value.replace(/^@/, '');
    else inputs[name] = typeof value === 'string' ? typed(name, value, schema) : value;
  }
  return { inputs, files };
}

/** Asks for each workflow once, however many rows of a sheet use it. */
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
    if (text.trim() === '' || !Number.isFinite(Number(text)))
      throw new UsageError(`${name} must be a number, not ${text}.`);
    return Number(text);
  }
  if (type !== 'boolean') return text;
  const value = WORDS[text];
  if (value === undefined) throw new UsageError(`${name} must be true or false, not ${text}.`);
  return value;
}
