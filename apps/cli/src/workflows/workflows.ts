import { basename, dirname, join } from 'node:path';
import { type Config, loadConfig } from '@comfy-fleet/config';
import type { WorkflowAnswer, WorkflowList } from '@comfy-fleet/contracts';
import {
  type Catalogue,
  exampleBody,
  limitsFor,
  listWorkflows,
  readWorkflowFile,
  showJson,
  WorkflowError,
} from '@comfy-fleet/workflows';
import { type AccessOptions, type Api, findAccess, findApi } from '../callers/connect.js';
import { CommandError, type CommandIo, type Output, suggestNames } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { plain } from '../text.js';
import { addWorkflow, askApi, throwCommandError } from './api.js';
import { askCatalogue } from './catalogue.js';
import { describeBriefly, describeList, describePublished, describeWorkflow } from './describe.js';

export interface FileOptions {
  readonly json?: boolean;
  /** The address of the ComfyUI to take types, bounds and options from. */
  readonly comfyui?: string;
}
export interface ApiOptions extends AccessOptions {
  readonly json?: boolean;
}

/** Describes a workflow file for people who know ComfyUI. Resolves to the exit code. */
export function checkFile(path: string, options: FileOptions, io: CommandIo): Promise<number> {
  return showAll([path], describeWorkflow, options, io);
}

/** Lists the workflows of the named API, otherwise of the folder. */
export async function list(options: FileOptions & ApiOptions, io: CommandIo): Promise<number> {
  const api = await namedApi(options, io);
  if (api !== undefined) {
    const { body } = await askApi(api, '/workflows');
    io.result(options.json ? showJson(body) : describeList(body as WorkflowList));
    return EXIT.done;
  }
  const { workflowsDir } = loadConfig(io.env);
  io.info(plain(`Read from ${workflowsDir}. To ask an API, name it with --url.`));
  const names = await listWorkflows(workflowsDir).catch(throwCommandError);
  const paths = names.map((name) => join(workflowsDir, `${name}.json`));
  return showAll(paths, describeBriefly, options, io);
}

/** Describes a workflow of the named API, otherwise of the folder. */
export async function show(name: string, options: FileOptions & ApiOptions, io: CommandIo): Promise<number> {
  const api = await namedApi(options, io);
  if (api !== undefined) {
    const { body } = await askApi(api, `/workflows/${encodeURIComponent(name)}`);
    io.result(options.json ? showJson(body) : describePublished(body as WorkflowAnswer, api.url));
    return EXIT.done;
  }
  const { workflowsDir } = loadConfig(io.env);
  io.info(plain(`Read from ${workflowsDir}. To ask an API, name it with --url.`));
  const names = await listWorkflows(workflowsDir).catch(throwCommandError);
  if (!names.includes(name)) {
    throw new CommandError(`There is no ${name} in ${workflowsDir}${await suggestNames(name, names)}`);
  }
  return showAll([join(workflowsDir, `${name}.json`)], describeWorkflow, options, io);
}

/** Publishes a file through the API. */
export async function add(
  file: string,
  { name, json, ...access }: ApiOptions & { readonly name?: string },
  { env, result, info }: CommandIo,
): Promise<number> {
  const api = await findApi(access, env);
  const { isNew, workflow } = await addWorkflow(file, name, api).catch(throwCommandError);
  info(plain(`${workflow.name} is published${isNew ? '' : ' in this version'} at ${api.url}.`));
  result(json ? showJson(workflow) : describePublished(workflow, api.url));
  return EXIT.done;
}

async function namedApi(options: AccessOptions, { env }: CommandIo): Promise<Api | undefined> {
  const { url } = await findAccess(options, env);
  return url === undefined ? undefined : findApi(options, env);
}

type Describe = typeof describeWorkflow;

/** Describes files, using the catalogue of the ComfyUIs. Resolves to EXIT.fault if ComfyUI would refuse one of them. */
async function showAll(
  paths: readonly string[],
  describe: Describe,
  { comfyui, json = false }: FileOptions,
  { env, ...output }: CommandIo,
): Promise<number> {
  const config = loadConfig(env);
  const { catalogue, summary } = await askCatalogue(comfyui, config, env);
  output.info(plain(summary));
  let code: number = EXIT.done;
  for (const path of paths) {
    if (!(await showOne(path, { describe, json, catalogue, limits: config.limits }, output))) code = EXIT.fault;
  }
  return code;
}

interface ShowOptions {
  readonly describe: Describe;
  readonly json: boolean;
  readonly catalogue: Catalogue | undefined;
  readonly limits: Config['limits'];
}

/** Resolves to whether ComfyUI would accept the workflow. */
async function showOne(
  path: string,
  { describe, json, catalogue, limits }: ShowOptions,
  { result, info }: Output,
): Promise<boolean> {
  try {
    const workflow = await readWorkflowFile(dirname(path), basename(path, '.json'));
    const described = workflow.describe(catalogue, limitsFor(limits, workflow, {}));
    if (json) result(showJson({ name: workflow.name, ...described, example: exampleBody(described) }));
    else result(describe(workflow, described));
    return described.refused.length === 0;
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    info(error.faults.map((fault) => `${plain(fault)}.`).join('\n'));
    return false;
  }
}
