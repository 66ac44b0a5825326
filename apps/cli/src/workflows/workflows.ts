import { basename, dirname, join } from 'node:path';
import { ConfigError, loadConfig } from '@comfy-fleet/config';
import type { WorkflowAnswer, WorkflowList } from '@comfy-fleet/contracts';
import {
  type Catalogue,
  exampleBody,
  listWorkflows,
  readWorkflowFile,
  showJson,
  WorkflowError,
} from '@comfy-fleet/workflows';
import { findAccess } from '../callers/profiles.js';
import type { Command, Output } from '../command.js';
import { addWorkflow } from './add-workflow.js';
import { type ApiAddress, ApiRefused, apiAddress, askApi } from './ask-api.js';
import { askCatalogue } from './ask-catalogue.js';
import { type Arguments, readArguments, USAGE } from './read-arguments.js';
import { tellList, tellPublished } from './tell-published.js';
import { tellInShort, tellWorkflow } from './tell-workflow.js';

/** What a workflow takes, gives and needs, for people who know ComfyUI. */
export const workflows: Command = {
  run: async (args, { env, result, say }) => {
    const asked = readArguments(args);
    if (asked.command === 'help') {
      result(USAGE);
      return 0;
    }
    try {
      const config = loadConfig(env);
      const { url, key, profile } = asked;
      const access = await findAccess({ url, key, ...(profile === undefined ? {} : { profile }) }, env);
      if (asked.command === 'add' || (access.url !== undefined && asked.command !== 'check')) {
        await throughApi(asked, apiAddress(access, config), { result, say });
        return 0;
      }
      const paths = await pathsOf(asked, config.workflowsDir);
      const { catalogue, told } = await askCatalogue(asked.comfyui, config, env);
      say(told);
      let code = 0;
      for (const path of paths) {
        if (!(await show(path, { asked, catalogue }, { result, say }))) code = 1;
      }
      return code;
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof WorkflowError || error instanceof ApiRefused)) throw error;
      say(error.message);
      return 1;
    }
  },
};

/** Adds, lists or shows what the API has. Throws ApiRefused, WorkflowError. */
async function throughApi(
  { command, target, name, json }: Arguments,
  api: ApiAddress,
  { result, say }: Output,
): Promise<void> {
  if (command === 'list') {
    const { body } = await askApi(api, '/workflows');
    return result(json ? showJson(body) : tellList(body as WorkflowList));
  }
  if (command === 'show') {
    const { body } = await askApi(api, `/workflows/${encodeURIComponent(target)}`);
    return result(json ? showJson(body) : tellPublished(body as WorkflowAnswer));
  }
  const { isNew, workflow } = await addWorkflow(target, name, api);
  say(`${workflow.name} is ${isNew ? 'published' : 'published in this version'} at ${api.url}.`);
  result(json ? showJson(workflow) : tellPublished(workflow));
}

async function pathsOf({ command, target }: Arguments, dir: string): Promise<string[]> {
  if (command === 'check') return [target];
  const names = await listWorkflows(dir);
  if (command === 'list') return names.map((name) => join(dir, `${name}.json`));
  if (names.includes(target)) return [join(dir, `${target}.json`)];
  throw new WorkflowError([`there is no ${target} in ${dir} (there is ${names.join(', ')})`]);
}

/** Whether ComfyUI would take it. */
async function show(
  path: string,
  { asked, catalogue }: { readonly asked: Arguments; readonly catalogue: Catalogue | undefined },
  { result, say }: Output,
): Promise<boolean> {
  try {
    const workflow = await readWorkflowFile(dirname(path), basename(path, '.json'));
    const described = workflow.describe(catalogue);
    if (asked.json) result(showJson({ name: workflow.name, ...described, example: exampleBody(described) }));
    else result(asked.command === 'list' ? tellInShort(workflow, described) : tellWorkflow(workflow, described));
    return described.refused.length === 0;
  } catch (error) {
    if (!(error instanceof WorkflowError)) throw error;
    say(error.faults.map((fault) => `${fault}.`).join('\n'));
    return false;
  }
}
