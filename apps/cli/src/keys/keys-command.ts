import { type Command, InvalidArgumentError, Option } from 'commander';
import { examples } from '../callers/options.js';
import { type Context, setAction } from '../command.js';
import { KEY_OPTIONS, SECRET_OPTION } from './key-options.js';

const FILE = ['--file <path>', 'the keys file (default: API_KEYS_FILE, which may be in .env)'] as const;

const CREATE_HELP = `
The settings KEY_… are the defaults of the limits. The key and the secret are written to stdout, everything else to stderr.
With --webhook-secret new, an existing key gets a second secret: both sign webhooks until another one replaces the older.
${examples(
  ['comfy-fleet keys create acme --jobs-waiting 100 --weight 2', 'a key for a caller'],
  ['comfy-fleet keys create ops --scopes jobs,admin', 'a key for an operator'],
  ['comfy-fleet keys create acme --webhook-secret new', 'a new secret for its webhooks'],
)}`;

interface FileOption {
  readonly file?: string;
}

export function addKeys(program: Command, context: Context): void {
  const group = program
    .command('keys')
    .description('creates, lists and revokes API keys')
    .helpCommand(true)
    .addHelpText(
      'after',
      examples(
        ['comfy-fleet keys create acme', 'creates a key and shows it once'],
        ['comfy-fleet keys list', 'all keys'],
      ),
    );

  const create = group.command('create').description('creates a key and shows it once').argument('<id>');
  const options = KEY_OPTIONS.map(({ option, value, choices, help }) => {
    const made = new Option(`--${option} <${value}>`, help).argParser(once);
    if (choices !== undefined) made.argChoices = [...choices];
    return made;
  });
  const secret = new Option(
    `--${SECRET_OPTION} <new>`,
    "creates a secret that signs the key's webhooks, and shows it once",
  );
  secret.argParser(onlyNew).argChoices = ['new'];
  for (const option of [...options, secret]) create.addOption(option);
  create.option(...FILE).addHelpText('after', CREATE_HELP);
  setAction(create, context, async (io, id: string, given: FileOption & Readonly<Record<string, string>>) => {
    const settings = new Map<string, string>();
    for (const option of options) {
      const value = given[option.attributeName()];
      if (value !== undefined) settings.set(option.name(), value);
    }
    const request = { id, settings, newSecret: given[secret.attributeName()] !== undefined };
    return (await run()).create(request, given, io);
  });

  const list = group
    .command('list')
    .description('lists the keys')
    .option(...FILE);
  list.addHelpText('after', examples(['comfy-fleet keys list --file keys.json', 'the keys of another file']));
  setAction(list, context, async (io, options: FileOption) => (await run()).list(options, io));

  const revoke = group
    .command('revoke')
    .description('revokes a key')
    .argument('<id>')
    .option('--cancel-jobs', "also cancels its open jobs; needs the services' Redis settings")
    .option(...FILE);
  revoke.addHelpText(
    'after',
    examples(
      ['comfy-fleet keys revoke acme', 'the API refuses the key from now on'],
      ['comfy-fleet keys revoke acme --cancel-jobs', 'the same, and cancels its open jobs'],
    ),
  );
  setAction(revoke, context, async (io, id: string, options: FileOption & { readonly cancelJobs?: boolean }) =>
    (await run()).revoke(id, options, io),
  );
}

/** A value that may be given once. A word with a dash is the next option, not a value. */
function once(given: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError('It may be given only once.');
  if (given === '' || /^-\D/.test(given)) throw new InvalidArgumentError('It needs a value.');
  return given;
}

function onlyNew(given: string): string {
  if (given === 'new') return given;
  throw new InvalidArgumentError('Only the word new is allowed: secrets are generated here.');
}

/** Imported when needed, since it is slow to load. */
const run = () => import('./run-keys.js');
