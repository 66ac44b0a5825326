import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JOB_KINDS, type Lod } from '@comfy-fleet/contracts';
import { PARAMETERS } from './bindings.js';
import { type Choices, readChoices } from './choices.js';
import { type Fault, FileFault } from './file-fault.js';
import { parseJson } from './json-text.js';
import { type LodProfile, readProfiles } from './lod-profiles.js';
import { readGraph } from './read-graph.js';
import { makeTemplate, type Template } from './template.js';
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
  readonly templates: ReadonlyMap<string, Template>;
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
  const faults: string[] = [];
  const files = new Set(await list(dir));
  const attempt = async <T>(file: string, use: (json: unknown) => T): Promise<T | undefined> => {
    try {
      return use(
        parseJson(await readFile(join(dir, file), { encoding: 'utf8', signal: AbortSignal.timeout(READ_TIMEOUT_MS) })),
      );
    } catch (error) {
      if (!(error instanceof FileFault)) throw error;
      faults.push(...error.faults.map((fault) => sentence(file, fault)));
      return undefined;
    }
  };

  const templates = new Map<string, Template>();
  for (const file of files) {
    if (!isWorkflow(file)) continue;
    const name = file.slice(0, -'.json'.length);
    const choices = files.has(name + BINDINGS) ? await attempt(name + BINDINGS, readChoices) : {};
    if (choices === undefined) continue;
    const template = await attempt(file, (json) => checkedTemplate(name, json, choices));
    if (template !== undefined) templates.set(name, withCheckpoint(template, checkpoint));
  }
  for (const file of files) {
    if (!file.endsWith(BINDINGS)) continue;
    const workflow = `${file.slice(0, -BINDINGS.length)}.json`;
    if (!files.has(workflow)) faults.push(`${file}: belongs to ${workflow}, which is not there`);
  }
  for (const file of [PROFILES, ...JOB_KINDS.map((kind) => `${kind}.json`)]) {
    if (!files.has(file)) faults.push(`${file}: is missing from ${dir}`);
  }
  const profiles = files.has(PROFILES) ? await attempt(PROFILES, readProfiles) : undefined;
  if (faults.length > 0 || profiles === undefined) throw new WorkflowError(faults);
  return { templates, profiles };
}

function checkedTemplate(name: string, json: unknown, choices: Choices): Template {
  const template = makeTemplate(name, readGraph(json), choices);
  for (const kind of JOB_KINDS) {
    if (name !== kind || template.kind === kind) continue;
    throw new FileFault(
      kind === 'img2img'
        ? 'starts from no picture: the sampler needs LoadImage → ImageScale → VAEEncode behind its latent_image'
        : 'starts from a picture: the sampler needs an EmptyLatentImage behind its latent_image',
    );
  }
  return template;
}

function withCheckpoint(template: Template, checkpoint: string | undefined): Template {
  const slots = template.bindings.slots.checkpoint;
  if (checkpoint === undefined || slots.length === 0 || slots.some(({ input }) => input === 'unet_name'))
    return template;
  return { ...template, defaults: { ...template.defaults, checkpoint } };
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
