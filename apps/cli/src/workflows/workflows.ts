import { basename, dirname, join } from 'node:path';
import { loadConfig } from '@comfy-fleet/config';
import type { WorkflowAnswer, WorkflowList } from '@comfy-fleet/contracts';
import {
  type Catalogue,
  exampleBody,
  listWorkflows,
  readWorkflowFile,
  showJson,
  suggest,
  WorkflowError,
} from '@comfy-fleet/workflows';
import { type AccessOptions, findAccess } from '../callers/connect.js';
import { Obstacle, type Output, type Surroundings } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { plain } from '../text.js';
import { type ApiAddress, addWorkflow, apiAddress, askApi, asObstacle } from './api.js';
import { askCatalogue } from './catalogue.js';
import { tellInShort, tellList, tellPublished, tellWorkflow } from './describe.js';

export interface FileOptions {
  readonly json?: boolean;
  /** The address of the ComfyUI that says which types, bounds and options there are. */
  readonly comfyui?: string;
}
export interface ApiOptions extends AccessOptions {
  readonly json?: boolean;
}

/** What a file takes, gives and needs, for people who know ComfyUI. Resolves to the exit code. */
export function checkFile(path: string, options: FileOptions, surroundings: Surroundings): Promise<number> {
  return showAll([path], tellWorkflow, options, surroundings);
}

/** A line for each workflow of an API, if one is named, otherwise of the folder. */
export async function list(options: FileOptions & ApiOptions, surroundings: Surroundings): Promise<number> {
  const api = await namedApi(options, surroundings);
  if (api !== undefined) {
    const { body } = await askApi(api, '/workflows');
    surroundings.result(options.json ? showJson(body) : tellList(body as WorkflowList));
    return EXIT.done;
  }
  const { workflowsDir } = loadConfig(surroundings.env);
  const names = await listWorkflows(workflowsDir).catch(asObstacle);
  const paths = names.map((name) => join(workflowsDir, `${name}.json`));
  return showAll(paths, tellInShort, options, surroundings);
}

/** A workflow of an API, if one is named, otherwise of the folder. */
export async function show(
  name: string,
  options: FileOptions & ApiOptions,
  surroundings: Surroundings,
): Promise<number> {
  const api = await namedApi(options, surroundings);
  if (api !== undefined) {
    const { body } = await askApi(api, `/workflows/${encodeURIComponent(name)}`);
    surroundings.result(options.json ? showJson(body) : tellPublished(body as WorkflowAnswer, api.url));
    return EXIT.done;
  }
  const { workflowsDir } = loadConfig(surroundings.env);
  const names = await listWorkflows(workflowsDir).catch(asObstacle);
  if (!names.includes(name)) {
    const near = suggest(name, names) || '.';
    throw new Obstacle(`There is no ${name} in ${workflowsDir} (there is ${names.join(', ')})${near}`);
  }
  return showAll([join(workflowsDir, `${name}.json`)], tellWorkflow, options, surroundings);
}

/** Publishes a file through the API. */
export async function add(
  file: string,
  { name, json, ...access }: ApiOptions & { readonly name?: string },
  { env, result, say }: Surroundings,
): Promise<number> {
  const api = apiAddress(await findAccess(access, env), loadConfig(env));
  const { isNew, workflow } = await addWorkflow(file, name, api).catch(asObstacle);
  say(plain(`${workflow.name} is ${isNew ? 'published' : 'published in this version'} at ${api.url}.`));
  result(json ? showJson(workflow) : tellPublished(workflow, api.url));
  return EXIT.done;
}

async function namedApi({ url, key, profile }: AccessOptions, { env }: Surroundings): Promise<ApiAddress | undefined> {
  const access = await findAccess({ url, key, ...(profile === undefined ? {} : { profile }) }, env);
  return access.url === undefined ? undefined : apiAddress(access, loadConfig(env));
}

type Tell = typeof tellWorkflow;

/** Files, with what the ComfyUI says that there is. Resolves to EXIT.fault when it would refuse one of them. */
async function showAll(
  paths: readonly string[],
  tell: Tell,
  { comfyui, json = false }: FileOptions,
  { env, ...output }: Surroundings,
): Promise<number> {
  const { catalogue, told } = await askCatalogue(comfyui, loadConfig(env), env);
  output.say(plain(told));
  let code: number = EXIT.done;
  for (const path of paths) {
    if (!(await showOne(path, { tell, json, catalogue }, output))) code = EXIT.fault;
  }
  return code;
}

/** Whether ComfyUI would take it. */
async function showOne(
  path: string,
  { tell, json, catalogue }: { tell: Tell; json: boolean; catalogue: Catalogue | undefined },
  { result, say }: Output,
): Promise<boolean> {
  try {
    const workflow = await readWorkflowFile(dirname(path), basename(path, '.json'));
    const described = workflow.describe(catalogue);
    if (json) result(showJson({ name: workflow.name, ...described, example: exampleBody(described) }));
    else result(tell(workflow, described));
    return described.refused.length === 0;
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    say(error.faults.map((fault) => `${plain(fault)}.`).join('\n'));
    return false;
  }
}
