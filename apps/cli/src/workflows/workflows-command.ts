import type { Command } from 'commander';
import { addAccessOptions, examples } from '../callers/options.js';
import { act, type Context } from '../command.js';
import type { ApiOptions, FileOptions } from './workflows.js';

const HELP = `
check, list and show exit with 1 when ComfyUI would refuse a workflow as it is.
${examples(
  ['comfy-fleet workflows check my.json', 'what a file from Workflow → Export (API) takes, gives and lacks'],
  ['comfy-fleet workflows show text2img --url http://127.0.0.1:3000', 'the same of one that an API has'],
  ['comfy-fleet workflows add my.json --name poster', 'makes it a workflow of the fleet'],
)}`;

export function addWorkflows(program: Command, context: Context): void {
  const group = program
    .command('workflows')
    .description('says what workflows take, give and need, and what ComfyUI would refuse of them; publishes them')
    .helpCommand(true)
    .addHelpText('after', HELP);
  const check = group
    .command('check')
    .description('says which inputs and outputs a file has, and how they were found')
    .argument('<file>', 'as ComfyUI exports it with Workflow → Export (API), or the body of a POST /prompt');
  addFileOptions(check).addHelpText(
    'after',
    examples(
      ['comfy-fleet workflows check my.json', 'with the ComfyUIs of COMFYUI_URLS'],
      ['comfy-fleet workflows check my.json --comfyui http://127.0.0.1:8188', 'with another'],
    ),
  );
  act(check, context, async (surroundings, file: string, options: FileOptions) =>
    (await run()).checkFile(file, options, surroundings),
  );

  const list = group
    .command('list')
    .description('a line for each workflow, of the API if one is named, else of WORKFLOWS_DIR');
  addAccessOptions(addFileOptions(list)).addHelpText(
    'after',
    examples(['comfy-fleet workflows list --url http://127.0.0.1:3000', 'those of an API']),
  );
  act(list, context, async (surroundings, options: FileOptions & ApiOptions) =>
    (await run()).list(options, surroundings),
  );

  const show = group
    .command('show')
    .description('says all of one workflow, of the API if one is named, else of WORKFLOWS_DIR')
    .argument('<workflow>');
  addAccessOptions(addFileOptions(show)).addHelpText(
    'after',
    examples(
      ['comfy-fleet workflows show text2img', 'of the folder'],
      ['comfy-fleet workflows show text2img --profile studio', 'of an API, and who can run it'],
    ),
  );
  act(show, context, async (surroundings, name: string, options: FileOptions & ApiOptions) =>
    (await run()).show(name, options, surroundings),
  );

  const add = group
    .command('add')
    .description('publishes a file through the API, for all processes of the fleet')
    .argument('<file>', 'a graph, with the inputs and bindings files beside it, or a PNG or WebP that ComfyUI saved')
    .option('--name <name>', "what it is called; the file's name by default");
  addAccessOptions(add.option('--json', 'writes what was published as JSON')).addHelpText(
    'after',
    `\nWithout an address, the API is that of PUBLIC_URL or PORT. The key needs the scope admin.\n${examples(
      ['comfy-fleet workflows add my.json --key cf_…', 'as my'],
      ['comfy-fleet workflows add ComfyUI_00042_.png --name poster', 'the workflow that made a picture'],
    )}`,
  );
  act(add, context, async (surroundings, file: string, options: ApiOptions & { readonly name?: string }) =>
    (await run()).add(file, options, surroundings),
  );
}

function addFileOptions(command: Command): Command {
  return command
    .option('--comfyui <url>', 'the ComfyUI that knows types, bounds and options; those of COMFYUI_URLS by default')
    .option('--json', 'writes all that is known as JSON');
}

/** It takes long to load. */
const run = () => import('./workflows.js');
