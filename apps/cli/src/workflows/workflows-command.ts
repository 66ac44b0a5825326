import type { Command } from 'commander';
import { addAccessOptions, examples } from '../callers/options.js';
import { type Context, setAction } from '../command.js';
import type { ApiOptions, FileOptions } from './workflows.js';

const HELP = `
check, list and show exit with 1 if ComfyUI would refuse a workflow.
${examples(
  ['comfy-fleet workflows check my.json', 'inputs, outputs and faults of a file from Workflow → Export (API)'],
  ['comfy-fleet workflows show text2img --url http://127.0.0.1:3000', 'the same for a workflow of an API'],
  ['comfy-fleet workflows add my.json --name poster', 'publishes the file as a workflow of the fleet'],
)}`;

export function addWorkflows(program: Command, context: Context): void {
  const group = program
    .command('workflows')
    .description('shows inputs, outputs and requirements of workflows and what ComfyUI would refuse; publishes them')
    .helpCommand(true)
    .addHelpText('after', HELP);
  const check = group
    .command('check')
    .description('shows the inputs and outputs of a file, and how they were found')
    .argument('<file>', 'a graph from Workflow → Export (API) in ComfyUI, or the body of a POST /prompt');
  addFileOptions(check).addHelpText(
    'after',
    examples(
      ['comfy-fleet workflows check my.json', 'checks it against the ComfyUIs of COMFYUI_URLS'],
      ['comfy-fleet workflows check my.json --comfyui http://127.0.0.1:8188', 'checks it against another ComfyUI'],
    ),
  );
  setAction(check, context, async (io, file: string, options: FileOptions) =>
    (await run()).checkFile(file, options, io),
  );

  const list = group.command('list').description('lists the workflows of the named API, otherwise of WORKFLOWS_DIR');
  addAccessOptions(addFileOptions(list)).addHelpText(
    'after',
    examples(['comfy-fleet workflows list --url http://127.0.0.1:3000', 'the workflows of an API']),
  );
  setAction(list, context, async (io, options: FileOptions & ApiOptions) => (await run()).list(options, io));

  const show = group
    .command('show')
    .description('describes a workflow of the named API, otherwise of WORKFLOWS_DIR')
    .argument('<workflow>');
  addAccessOptions(addFileOptions(show)).addHelpText(
    'after',
    examples(
      ['comfy-fleet workflows show text2img', 'the one in the folder'],
      ['comfy-fleet workflows show text2img --profile studio', 'the one of an API, and which instances can run it'],
    ),
  );
  setAction(show, context, async (io, name: string, options: FileOptions & ApiOptions) =>
    (await run()).show(name, options, io),
  );

  const add = group
    .command('add')
    .description('publishes a file to the whole fleet through the API')
    .argument('<file>', 'a graph with its inputs and bindings files beside it, or a PNG or WebP that ComfyUI saved')
    .option('--name <name>', "the workflow's name (default: the file's)");
  addAccessOptions(add.option('--json', 'prints the published workflow as JSON')).addHelpText(
    'after',
    `\nThe key needs the scope admin.\n${examples(
      ['comfy-fleet workflows add my.json --key cf_…', 'publishes it as my'],
      ['comfy-fleet workflows add ComfyUI_00042_.png --name poster', 'publishes the workflow that made a picture'],
    )}`,
  );
  setAction(add, context, async (io, file: string, options: ApiOptions & { readonly name?: string }) =>
    (await run()).add(file, options, io),
  );
}

function addFileOptions(command: Command): Command {
  return command
    .option('--comfyui <url>', 'the ComfyUI to take types, bounds and options from (default: those of COMFYUI_URLS)')
    .option('--json', 'prints everything as JSON');
}

/** Imported when needed, since it is slow to load. */
const run = () => import('./workflows.js');
