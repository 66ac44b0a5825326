import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Lod, PICTURE_KINDS } from '@comfy-fleet/contracts';
import { PARAMETERS } from './bindings.js';
import { readChoices } from './choices.js';
import { readInputsFile } from './describe/read-inputs-file.js';
import { type Fault, FileFault, WorkflowError } from './file-fault.js';
import { parseJson } from './json-text.js';
import { type LodProfile, readProfiles } from './lod-profiles.js';
import { makeWorkflow } from './make-workflow.js';
import { readSource } from './source.js';
import type { Workflow } from './workflow.js';

const PROFILES = 'lod-profiles.json';
const BINDINGS = '.bindings.json';
const INPUTS = '.inputs.json';
/** Parameters that a workflow need not have. */
const OPTIONAL = new Set<string>(PARAMETERS.filter((name) => !['prompt', 'width', 'height'].includes(name)));
const READ_TIMEOUT_MS = 10_000;

/** The workflows folder, read and checked. */
export interface Workflows {
  /** By name, which is the file's name without `.json`. `text2img` and `img2img` always exist. */
  readonly byName: ReadonlyMap<string, Workflow>;
  readonly profiles: Readonly<Record<Lod, LodProfile>>;
}

export interface LoadOptions {
  /** Replaces the checkpoint of each workflow, but not a diffusion model (UNETLoader). */
  readonly checkpoint?: string | undefined;
}

/** Names of the workflows in a folder, in alphabetical order. Throws a WorkflowError if it cannot be read. */
export async function listWorkflows(dir: string): Promise<string[]> {
  return (await list(dir)).filter(isWorkflow).map((file) => file.slice(0, -'.json'.length));
}

export interface FolderFault {
  /** The workflow; null if it concerns no single one. */
  readonly name: string | null;
  /** The file, what is wrong, and how to fix it. */
  readonly detail: string;
}

/** The usable content of a folder, and its errors. */
export interface FolderReading {
  readonly byName: ReadonlyMap<string, Workflow>;
  readonly profiles: Workflows['profiles'] | undefined;
  readonly faults: readonly FolderFault[];
}

/** Reads a workflows folder. Throws a WorkflowError like requireWhole. */
export async function loadWorkflows(dir: string, options: LoadOptions = {}): Promise<Workflows & FolderReading> {
  return requireWhole(await readFolder(dir, options));
}

/** Throws one WorkflowError with all errors if text2img, img2img or the profiles are unusable. */
export function requireWhole({ byName, profiles, faults }: FolderReading): Workflows & FolderReading {
  const isNeeded = ({ name }: FolderFault) => name === null || PICTURE_KINDS.some((kind) => kind === name);
  if (profiles !== undefined && !faults.some(isNeeded)) return { byName, profiles, faults };
  throw new WorkflowError(faults.map(({ detail }) => detail));
}

/** Reads the usable part of a workflows folder. Throws a WorkflowError if it does not exist. */
export async function readFolder(dir: string, { checkpoint }: LoadOptions = {}): Promise<FolderReading> {
  const files = new Set(await list(dir));
  const faults: FolderFault[] = [];
  const note = (name: string | null, details: readonly string[]) =>
    faults.push(...details.map((detail) => ({ name, detail })));
  const byName = new Map<string, Workflow>();
  for (const file of files) {
    if (!isWorkflow(file)) continue;
    const name = file.slice(0, -'.json'.length);
    const read = await readFiles(dir, name, files);
    note(name, read.faults);
    if (read.workflow !== undefined) byName.set(name, withCheckpoint(read.workflow, checkpoint));
  }
  for (const file of files) {
    for (const suffix of [BINDINGS, INPUTS]) {
      if (!file.endsWith(suffix)) continue;
      const name = file.slice(0, -suffix.length);
      if (!files.has(`${name}.json`)) note(name, [`${file}: belongs to ${name}.json, which does not exist`]);
    }
  }
  if (!files.has(PROFILES)) note(null, [`${PROFILES}: is missing from ${dir}`]);
  for (const kind of PICTURE_KINDS)
    if (!files.has(`${kind}.json`)) note(kind, [`${kind}.json: is missing from ${dir}`]);
  const ofProfiles: string[] = [];
  const profiles = files.has(PROFILES) ? await attempt(join(dir, PROFILES), readProfiles, ofProfiles) : undefined;
  note(null, ofProfiles);
  return { byName, profiles, faults };
}

/** Reads `<name>.json` and its accompanying files. Throws a WorkflowError with all their errors. */
export async function readWorkflowFile(dir: string, name: string): Promise<Workflow> {
  const files = new Set(await list(dir));
  if (!files.has(`${name}.json`)) throw new WorkflowError([`${join(dir, `${name}.json`)}: there is no such file`]);
  const { workflow, faults } = await readFiles(dir, name, files);
  if (workflow === undefined) throw new WorkflowError(faults);
  return workflow;
}

async function readFiles(
  dir: string,
  name: string,
  files: ReadonlySet<string>,
): Promise<{ workflow: Workflow | undefined; faults: readonly string[] }> {
  const faults: string[] = [];
  const beside = async <T>(suffix: string, use: (json: unknown) => T): Promise<T | undefined> =>
    files.has(name + suffix) ? attempt(join(dir, name + suffix), use, faults) : undefined;
  const bindings = await beside(BINDINGS, readChoices);
  const inputs = await beside(INPUTS, readInputsFile);
  if (faults.length > 0) return { workflow: undefined, faults };
  const make = (workflow: unknown) => makeWorkflow(name, readSource({ workflow, inputs, bindings }));
  return { workflow: await attempt(join(dir, `${name}.json`), make, faults), faults };
}

async function attempt<T>(path: string, use: (json: unknown) => T, faults: string[]): Promise<T | undefined> {
  try {
    return use(parseJson(await readFile(path, { encoding: 'utf8', signal: AbortSignal.timeout(READ_TIMEOUT_MS) })));
  } catch (error) {
    const file = basename(path);
    if (error instanceof FileFault) faults.push(...error.faults.map((fault) => sentence(file, fault)));
    else if (isOfFiles(error)) faults.push(`${file}: cannot be read (${error.message})`);
    else throw error;
    return undefined;
  }
}

/** The file has just been deleted, is not readable, or hangs. */
function isOfFiles(error: unknown): error is Error {
  return error instanceof Error && ('syscall' in error || error.name === 'TimeoutError' || error.name === 'AbortError');
}

function withCheckpoint(workflow: Workflow, checkpoint: string | undefined): Workflow {
  const slots = workflow.bindings.slots.checkpoint;
  if (checkpoint === undefined || slots.length === 0 || slots.some(({ input }) => input === 'unet_name'))
    return workflow;
  return { ...workflow, defaults: { ...workflow.defaults, checkpoint } };
}

function sentence(file: string, { problem, settledBy, inBindings }: Fault): string {
  const bindings = file.replace(/\.json$/, BINDINGS);
  if (settledBy === undefined) return `${inBindings ? bindings : file}: ${problem}`;
  const [key] = Object.keys(settledBy);
  const none = key !== undefined && OPTIONAL.has(key) ? ' ([] in its place leaves it as it is)' : '';
  return `${file}: ${problem}. Say it in ${bindings} beside it, by title or id: ${JSON.stringify(settledBy)}${none}`;
}

/** Other files in the folder are not workflows. */
function isWorkflow(file: string): boolean {
  return file !== PROFILES && !file.endsWith(BINDINGS) && !file.endsWith(INPUTS);
}

async function list(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((file) => file.endsWith('.json')).sort();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new WorkflowError([
      `the folder ${dir} cannot be read (${reason}): set WORKFLOWS_DIR to the folder of the workflows`,
    ]);
  }
}
