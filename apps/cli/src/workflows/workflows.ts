import { basename, dirname, join } from 'node:path';
import { ConfigError, loadConfig } from '@comfy-fleet/config';
import {
  type Catalogue,
  exampleBody,
  listWorkflows,
  readWorkflowFile,
  showJson,
  WorkflowError,
} from '@comfy-fleet/workflows';
import type { Command, Output } from '../command.js';
import { askCatalogue } from './ask-catalogue.js';
import { type Arguments, readArguments, USAGE } from './read-arguments.js';
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
      const paths = await pathsOf(asked, config.workflowsDir);
      const { catalogue, told } = await askCatalogue(asked.comfyui, config, env);
      say(told);
      let code = 0;
      for (const path of paths) {
        if (!(await show(path, { asked, catalogue }, { result, say }))) code = 1;
      }
      return code;
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof WorkflowError)) throw error;
      say(error.message);
      return 1;
    }
  },
};

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
