import { parseArgs } from 'node:util';
import { UsageError } from '../command.js';

export const USAGE = `comfy-fleet workflows <command>

  check <file>   says of a workflow that ComfyUI exported (Workflow → Export (API)), or of the body of a POST /prompt, which
                 inputs and outputs it has, and how they were found
  list           says the same in a line for each workflow of WORKFLOWS_DIR
  show <name>    says the same as check of a workflow of WORKFLOWS_DIR

  --comfyui <url>   the ComfyUI that says which types, bounds and options the inputs have; otherwise those of COMFYUI_URLS
  --json            writes { name, inputs, schema, outputs, models, nodeClasses, unsettled, refused, example }

The exit code is 1 when ComfyUI would refuse the workflow as it is.`;

export interface Arguments {
  readonly command: 'check' | 'show' | 'list' | 'help';
  /** A file for check, a name for show. */
  readonly target: string;
  readonly comfyui: string | undefined;
  readonly json: boolean;
}

/** Throws a UsageError for what cannot be understood. */
export function readArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parse(args);
  const [command, target] = positionals;
  const { comfyui, json = false } = values;
  if (values.help || command === undefined) return { command: 'help', target: '', comfyui, json };
  const wanted = command === 'list' ? 1 : 2;
  if (command !== 'check' && command !== 'show' && command !== 'list') {
    throw new UsageError(`There is no workflows ${command}.\n\n${USAGE}`);
  }
  if (positionals.length !== wanted) throw new UsageError(USAGE);
  return { command, target: target ?? '', comfyui, json };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { comfyui: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}
