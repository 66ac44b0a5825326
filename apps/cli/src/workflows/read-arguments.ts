import { parseArgs } from 'node:util';
import { UsageError } from '../command.js';

export const USAGE = `comfy-fleet workflows <command>

  check <file>   says of a workflow that ComfyUI exported (Workflow → Export (API)), or of the body of a POST /prompt, which
                 inputs and outputs it has, and how they were found
  list           says the same in a line for each workflow of WORKFLOWS_DIR
  show <name>    says the same as check of a workflow of WORKFLOWS_DIR
  add <file>     publishes such a file, with the inputs and bindings files beside it, or a PNG or WebP that ComfyUI saved,
                 through the API, for all processes of the fleet

  --comfyui <url>   the ComfyUI that says which types, bounds and options the inputs have; otherwise those of COMFYUI_URLS
  --json            writes { name, inputs, schema, outputs, models, nodeClasses, unsettled, refused, example }
  --name <name>     the name to publish it under; otherwise the file's
  --url <url>       the API to publish it through; list and show ask that API then (and --json writes what it answers).
                    Otherwise that of --profile, COMFY_FLEET_URL or the default profile (docs/cli.md); to publish, at last
                    that of PUBLIC_URL or PORT
  --key <key>       an API key (COMFY_FLEET_KEY); to add it needs the scope admin
  --profile <name>  the API and key of a profile (COMFY_FLEET_PROFILE)

The exit code is 1 when ComfyUI would refuse the workflow as it is, or the API refused it.`;

const COMMANDS = ['check', 'show', 'list', 'add'] as const;

export interface Arguments {
  readonly command: (typeof COMMANDS)[number] | 'help';
  /** A file for check and add, a name for show. */
  readonly target: string;
  readonly comfyui: string | undefined;
  readonly json: boolean;
  readonly name: string | undefined;
  readonly url: string | undefined;
  readonly key: string | undefined;
  readonly profile: string | undefined;
}

/** Throws a UsageError for what cannot be understood. */
export function readArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parse(args);
  const [word, target = ''] = positionals;
  const { comfyui, json = false, name, url, key, profile } = values;
  const options = { target, comfyui, json, name, url, key, profile };
  if (values.help || word === undefined) return { ...options, command: 'help' };
  const command = COMMANDS.find((known) => known === word);
  if (command === undefined) throw new UsageError(`There is no workflows ${word}.\n\n${USAGE}`);
  if (positionals.length !== (command === 'list' ? 1 : 2)) throw new UsageError(USAGE);
  return { ...options, command };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        comfyui: { type: 'string' },
        json: { type: 'boolean' },
        name: { type: 'string' },
        url: { type: 'string' },
        key: { type: 'string' },
        profile: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}
