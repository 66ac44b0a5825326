import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Usage } from '@comfy-fleet/client';
import { type Command, Option } from 'commander';
import { type CommandIo, type Context, setAction } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { drawingFor, drawTable } from '../table.js';
import { duration, plain, showBytes } from '../text.js';
import { type AccessOptions, connect, findApi, saveProfile } from './connect.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions, wholeNumber } from './options.js';

const LOGIN_EXAMPLES = examples(
  ['comfy-fleet login https://fleet.example', 'asks for the key'],
  ['comfy-fleet login http://127.0.0.1:3000 --profile laptop', 'another API, for --profile laptop'],
);

interface LoginOptions {
  readonly key?: string;
  readonly profile: string;
}

export function addLogin(program: Command, context: Context): void {
  const command = program
    .command('login')
    .description('stores the address of an API and your key, as the default of all commands')
    .argument('<url>')
    .option('--key <key>', 'the API key; otherwise you are asked for it')
    .option('--profile <profile>', 'the name to store them under', 'default')
    .addHelpText('after', LOGIN_EXAMPLES);
  setAction(command, context, async (io, url: string, { profile, key: given }: LoginOptions) => {
    const key = given ?? (io.keyboard === undefined ? '' : await askSecret(io));
    const access = { url, ...(key === '' ? {} : { key }) };
    const fleet = await connect(access, io);
    const { key: id } = await fleet.me();
    const path = await saveProfile(profile, access, io.env);
    io.info(`Stored in ${path} as the default${key === '' ? '' : ` with the key ${plain(id ?? '')}`}.`);
    return EXIT.done;
  });
}

/** Asks for a text that the terminal does not show. */
async function askSecret({ keyboard, info, interrupted }: CommandIo): Promise<string> {
  info('API key (empty if the API needs none; it is not shown):');
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: keyboard ?? process.stdin, output, terminal: true });
  try {
    return (await lines.question('', { signal: interrupted() })).trim();
  } finally {
    lines.close();
  }
}

const OPEN_EXAMPLES = examples(['comfy-fleet open', 'the studio'], ['comfy-fleet open 0197…', 'a job in the studio']);

export function addOpen(program: Command, context: Context): void {
  const command = program.command('open').description('opens the studio in a browser').argument('[job]');
  addAccessOptions(command).addHelpText('after', OPEN_EXAMPLES);
  setAction(command, context, async (io, job: string | undefined, options: AccessOptions) => {
    const base = (await findApi(options, io.env)).url;
    const url = `${base}/studio/${job === undefined ? '' : `gallery/${encodeURIComponent(job)}`}`;
    io.result(url);
    if (io.terminal !== undefined) openInBrowser(url);
    return EXIT.done;
  });
}

/** Without a browser nothing happens: the address was printed. */
function openInBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'win32'
      ? ['rundll32', 'url.dll,FileProtocolHandler']
      : [process.platform === 'darwin' ? 'open' : 'xdg-open'];
  if (command === undefined) return;
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}

const USAGE_EXAMPLES = examples(
  ['comfy-fleet usage --days 30', 'your last 30 days'],
  ['comfy-fleet usage --of acme', 'those of another key (for keys with the scope admin)'],
);

interface UsageOptions extends JsonOptions {
  readonly days: number;
  readonly of?: string;
}

export function addUsage(program: Command, context: Context): void {
  const command = program.command('usage').description('shows the jobs and GPU time of your key by day');
  command
    .addOption(new Option('--days <n>', 'how many days').argParser(wholeNumber(1)).default(7))
    .option('--of <id>', 'another key (for keys with the scope admin)');
  addAccessOptions(addJsonOption(command)).addHelpText('after', USAGE_EXAMPLES);
  setAction(command, context, async (io, { days, of, ...options }: UsageOptions) => {
    const fleet = await connect(options, io);
    const usage = await fleet.usage({ days, ...(of === undefined ? {} : { key: of }) });
    const isJson = io.terminal === undefined || options.json === true;
    io.result(isJson ? JSON.stringify(usage) : usageText(usage, io));
    return EXIT.done;
  });
}

function usageText({ data, now }: Usage, { terminal }: CommandIo): string {
  const head = [
    { head: 'day (UTC)' },
    ...['jobs', 'succeeded', 'failed', 'canceled', 'pictures', 'GPU time'].map(numbers),
  ];
  const rows = data.map(({ day, jobs, succeeded, failed, canceled, pictures, gpu_seconds: gpu }) =>
    [day, jobs, succeeded, failed, canceled, pictures, duration(gpu)].map((cell) => ({ text: `${cell}` })),
  );
  const { jobs_waiting: waiting, jobs_running: running, storage_bytes: stored } = now;
  return [
    ...drawTable(head, rows, drawingFor(terminal)),
    `Now: ${waiting} waiting, ${running} running, ${showBytes(stored)} of files.`,
  ].join('\n');
}

function numbers(head: string) {
  return { head, isNumber: true };
}
