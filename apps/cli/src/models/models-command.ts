import { MODEL_KINDS } from '@comfy-fleet/client';
import { type Command, Option } from 'commander';
import { addAccessOptions, addJsonOption, examples, type JsonOptions } from '../callers/options.js';
import { type Context, setAction } from '../command.js';
import type { AddOptions, FetchOptions } from './models.js';

const ADD_HELP = `
Sources are tried in the order in which they are given: https://…, hf:owner/repo/path@revision, civitai:<version id>,
s3://bucket/key. Kind and name are taken from the path of the first one, if it has a folder named like the kind.
The worker adds credentials from MODEL_CREDENTIALS_FILE, so never write them here.
${examples(
  [
    'comfy-fleet models add hf:acme/sdxl-loras/loras/detail-v2.safetensors@main',
    'registers loras/detail-v2.safetensors and fetches it',
  ],
  [
    'comfy-fleet models add civitai:135867 --kind loras --name detail.safetensors --keys acme',
    'only the key acme may use it',
  ],
  ['comfy-fleet models add https://models.example/vae/taesd.safetensors --no-fetch', 'fetched once a job needs it'],
)}`;

export function addModels(program: Command, context: Context): void {
  const group = program
    .command('models')
    .description('registers, fetches and verifies the models that workers fetch by themselves')
    .helpCommand(true)
    .addHelpText(
      'after',
      examples(
        ['comfy-fleet models list', 'all models, and where they are'],
        ['comfy-fleet models fetch loras/detail-v2.safetensors', 'fetches one before a job needs it'],
      ),
    );

  const add = group
    .command('add')
    .description('registers a model and fetches it (for keys with the scope admin)')
    .argument('<source...>')
    .addOption(new Option('--kind <kind>', "ComfyUI's folder").choices([...MODEL_KINDS]))
    .option('--name <name>', 'its name as loaders list it, such as sdxl/detail.safetensors')
    .option('--sha256 <digest>', 'what its content must be; default: what the source or the first download says')
    .addOption(listOption('--keys <ids>', 'only these API keys may use it, as in acme,studio; default: all'))
    .addOption(listOption('--pin <pools>', 'pools whose workers always keep it'))
    .option('--no-fetch', 'only registers it: it is fetched when a job needs it');
  addAccessOptions(addJsonOption(add)).addHelpText('after', ADD_HELP);
  setAction(add, context, async (io, sources: string[], options: AddOptions) =>
    (await run()).add(sources, options, io),
  );

  const list = group.command('list').description('lists the models that your key may use, and where they are');
  addAccessOptions(addJsonOption(list)).addHelpText(
    'after',
    examples(
      ['comfy-fleet models list', 'all models'],
      ["comfy-fleet models list | jq -r 'select(.copies == []) | .name'", 'those that no worker has'],
    ),
  );
  setAction(list, context, async (io, options: JsonOptions) => (await run()).list(options, io));

  const show = group.command('show').description('shows a model, its copies and their faults').argument('<model>');
  addAccessOptions(addJsonOption(show)).addHelpText(
    'after',
    examples(['comfy-fleet models show loras/detail-v2.safetensors', 'all that is known of it']),
  );
  setAction(show, context, async (io, model: string, options: JsonOptions) => (await run()).show(model, options, io));

  const fetch = group
    .command('fetch')
    .description('fetches a model before a job needs it, and follows that (scope admin)')
    .argument('<model>')
    .addOption(listOption('--pools <pools>', 'only for workers of these pools; default: all'));
  addAccessOptions(addJsonOption(fetch)).addHelpText(
    'after',
    examples(['comfy-fleet models fetch loras/detail-v2.safetensors --pools flux', 'only for the pool flux']),
  );
  setAction(fetch, context, async (io, model: string, options: FetchOptions) =>
    (await run()).fetch(model, options, io),
  );

  const verify = group
    .command('verify')
    .description('has all copies of a model read again and compared with its hash (scope admin)')
    .argument('<model>');
  addAccessOptions(addJsonOption(verify)).addHelpText(
    'after',
    examples(['comfy-fleet models verify loras/detail-v2.safetensors', 'the exit code is 5 if a copy is damaged']),
  );
  setAction(verify, context, async (io, model: string, options: JsonOptions) =>
    (await run()).verify(model, options, io),
  );

  const remove = group
    .command('rm')
    .description('takes models out of the registry and deletes the copies that were fetched (scope admin)')
    .argument('<model...>');
  addAccessOptions(remove).addHelpText(
    'after',
    examples(['comfy-fleet models rm loras/detail-v2.safetensors', 'files that the fleet did not fetch stay']),
  );
  setAction(remove, context, async (io, models: string[], options: JsonOptions) =>
    (await run()).remove(models, options, io),
  );
}

function listOption(flags: string, help: string): Option {
  return new Option(flags, help).argParser((given: string) =>
    given
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== ''),
  );
}

/** Imported when needed, since it is slow to load. */
const run = () => import('./models.js');
