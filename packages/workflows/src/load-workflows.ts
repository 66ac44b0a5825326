import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lod, PICTURE_KINDS } from '@comfy-fleet/contracts';
import { PARAMETERS } from './bindings.js';
import { readChoices } from './choices.js';
import { readInputsFile } from './describe/read-inputs-file.js';
import { type Fault, FileFault } from './file-fault.js';
import { parseJson } from './json-text.js';
import { type LodProfile, readProfiles } from './lod-profiles.js';
import { makeWorkflow } from './make-workflow.js';
import { readSource } from './source.js';
import type { Workflow } from './workflow.js';
import { WorkflowError } from './workflow-error.js';

const PROFILES = 'lod-profiles.json';
const BINDINGS = '.bindings.json';
const INPUTS = '.inputs.json';
/** What a workflow may do without. */
const OPTIONAL = new Set<string>(PARAMETERS.filter((name) => !['prompt', 'width', 'height'].includes(name)));
const READ_TIMEOUT_MS = 10_000;

/** The workflows folder, read and checked. */
export interface Workflows {
  /** By name: the file's name without `.json`. `text2img` and `img2img` are always there. */
  readonly byName: ReadonlyMap<string, Workflow>;
  readonly profiles: Readonly<Record<Lod, LodProfile>>;
}

export interface LoadOptions {
  /** Takes the place of the checkpoint that each workflow names itself; not that of a diffusion model (UNETLoader). */
  readonly checkpoint?: string | undefined;
}

/** Names of the workflows in a folder, in alphabetical order. Throws a WorkflowError when it cannot be read. */
export async function listWorkflows(dir: string): Promise<string[]> {
  return (await list(dir)).filter(isWorkflow).map((file) => file.slice(0, -'.json'.length));
}

/** Reads a workflows folder. Throws one WorkflowError with everything that is wrong in any of its files. */
export async function loadWorkflows(dir: string, { checkpoint }: LoadOptions = {}): Promise<Workflows> {
  const files = new Set(await list(dir));
  const faults: string[] = [];
  const byName = new Map<string, Workflow>();
  for (const file of files) {
    if (!isWorkflow(file)) continue;
    const name = file.slice(0, -'.json'.length);
    const read = await readFiles(dir, name, files);
    faults.push(...read.faults);
    if (read.workflow !== undefined) byName.set(name, withCheckpoint(read.workflow, checkpoint));
  }
  for (const file of files) {
    for (const suffix of [BINDINGS, INPUTS]) {
      if (!file.endsWith(suffix)) continue;
      const workflow = `${file.slice(0, -suffix.length)}.json`;
      if (!files.has(workflow)) faults.push(`${file}: belongs to ${workflow}, which is not there`);
    }
  }
  for (const file of [PROFILES, ...PICTURE_KINDS.map((kind) => `${kind}.json`)]) {
    if (!files.has(file)) faults.push(`${file}: is missing from ${dir}`);
  }
  const profiles = files.has(PROFILES) ? await attempt(join(dir, PROFILES), readProfiles, faults) : undefined;
  if (faults.length > 0 || profiles === undefined) throw new WorkflowError(faults);
  return { byName, profiles };
}

/** Reads `<name>.json` with the files beside it. Throws a WorkflowError with everything that is wrong in any of them. */
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
  const make = (workflow: unknown) => checked(makeWorkflow(name, readSource({ workflow, inputs, bindings })));
  return { workflow: await attempt(join(dir, `${name}.json`), make, faults), faults };
}

async function attempt<T>(path: string, use: (json: unknown) => T, faults: string[]): Promise<T | undefined> {
  try {
    return use(parseJson(await readFile(path, { encoding: 'utf8', signal: AbortSignal.timeout(READ_TIMEOUT_MS) })));
  } catch (error) {
    if (!(error instanceof FileFault)) throw error;
    faults.push(...error.faults.map((fault) => sentence(path.slice(path.lastIndexOf('/') + 1), fault)));
    return undefined;
  }
}

function checked(workflow: Workflow): Workflow {
  const { kind, startsFromPicture } = workflow;
  if (kind === 'workflow' || startsFromPicture === (kind === 'img2img')) return workflow;
  throw new FileFault(
    kind === 'img2img'
      ? 'starts from no picture: the sampler needs LoadImage → ImageScale → VAEEncode behind its latent_image'
      : 'starts from a picture: the sampler needs an EmptyLatentImage behind its latent_image',
  );
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

/** What is beside workflows is none. */
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
