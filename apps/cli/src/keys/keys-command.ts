import { type Command, InvalidArgumentError, Option } from 'commander';
import { examples } from '../callers/options.js';
import { act, type Context } from '../command.js';
import { KEY_OPTIONS, SECRET_OPTION } from './key-options.js';

const FILE = ['--file <path>', 'the file of the keys; API_KEYS_FILE (in .env too) by default'] as const;

const CREATE_HELP = `
A limit that is not given is that of the setting KEY_…. The key and the secret are written to stdout, and everything else to
stderr. With --webhook-secret new, a key that there is gets a second secret: both sign until the next one takes the
place of the older.
${examples(
  ['comfy-fleet keys create acme --jobs-waiting 100 --weight 2', 'a key for a caller'],
  ['comfy-fleet keys create ops --scopes jobs,admin', 'one that may look after the fleet'],
  ['comfy-fleet keys create acme --webhook-secret new', 'another secret for its webhooks'],
)}`;

interface FileOption {
  readonly file?: string;
}

export function addKeys(program: Command, context: Context): void {
  const group = program
    .command('keys')
    .description('makes, shows and takes away the keys with which callers use the API')
    .helpCommand(true)
    .addHelpText(
      'after',
      examples(
        ['comfy-fleet keys create acme', 'makes a key and shows it, once'],
        ['comfy-fleet keys list', 'the keys that there are'],
      ),
    );

  const create = group.command('create').description('makes a key and shows it, once').argument('<id>');
  const options = KEY_OPTIONS.map(({ option, value, choices, help }) => {
    const made = new Option(value === undefined ? `--${option}` : `--${option} <${value}>`, help);
    if (value !== undefined) made.argParser(once);
    if (choices !== undefined) made.argChoices = [...choices];
    return made;
  });
  const secret = new Option(
    `--${SECRET_OPTION} <new>`,
    "makes a secret that signs the key's webhooks and shows it, once",
  );
  secret.argParser(onlyNew).argChoices = ['new'];
  for (const option of [...options, secret]) create.addOption(option);
  create.option(...FILE).addHelpText('after', CREATE_HELP);
  act(
    create,
    context,
    async (surroundings, id: string, given: FileOption & Readonly<Record<string, string | true>>) => {
      const settings = new Map<string, string>();
      for (const option of options) {
        const value = given[option.attributeName()];
        if (value !== undefined) settings.set(option.name(), `${value}`);
      }
      const wish = { id, settings, newSecret: given[secret.attributeName()] !== undefined };
      return (await run()).create(wish, given, surroundings);
    },
  );

  const list = group
    .command('list')
    .description('shows the keys that there are')
    .option(...FILE);
  list.addHelpText('after', examples(['comfy-fleet keys list --file keys.json', 'those of a file']));
  act(list, context, async (surroundings, options: FileOption) => (await run()).list(options, surroundings));

  const revoke = group
    .command('revoke')
    .description('takes a key away')
    .argument('<id>')
    .option('--cancel-jobs', 'cancels its open jobs too; needs the settings of Redis that the services have')
    .option(...FILE);
  revoke.addHelpText(
    'after',
    examples(
      ['comfy-fleet keys revoke acme', 'from now on it is refused'],
      ['comfy-fleet keys revoke acme --cancel-jobs', 'and its open jobs end'],
    ),
  );
  act(revoke, context, async (surroundings, id: string, options: FileOption & { readonly cancelJobs?: boolean }) =>
    (await run()).revoke(id, options, surroundings),
  );
}

/** A text that is given once: two limits would be a mistake, and a word with a dash is the next option. */
function once(given: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError('It is given twice.');
  if (given === '' || /^-\D/.test(given)) throw new InvalidArgumentError('It needs a value.');
  return given;
}

function onlyNew(given: string): string {
  if (given === 'new') return given;
  throw new InvalidArgumentError('It takes only the word new: secrets are made here and shown, never given.');
}

/** It takes a moment to load. */
const run = () => import('./run-keys.js');
