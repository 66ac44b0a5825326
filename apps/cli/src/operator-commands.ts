import { type Command, Option } from 'commander';
import { type AccessOptions, connect } from './callers/connect.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions, wholeNumber } from './callers/options.js';
import { type Context, type StartOptions, setAction, UsageError } from './command.js';
import { EXIT } from './exit-codes.js';
import { drawingFor } from './table.js';

const START_HELP = `
It starts Redis, a worker, a dispatcher and the API with its studio, keeps them running, and stops them at Ctrl-C. Without
COMFYUI_URLS, a simulator stands in for ComfyUI. Settings come from the environment and .env.
${examples(
  ['comfy-fleet start', 'try it without a GPU'],
  ['COMFYUI_URLS=http://127.0.0.1:8188 comfy-fleet start --data /srv/comfy-fleet', 'with a ComfyUI'],
)}`;

/** Adds nothing where the services are not installed. */
export function addStart(program: Command, context: Context): void {
  const { start } = context.io;
  if (start === undefined) return;
  const command = program
    .command('start')
    .description('starts everything on this machine')
    .option('--data <folder>', 'the folder of jobs and pictures (default: .comfy-fleet)')
    .addHelpText('after', START_HELP);
  setAction(command, context, (_io, options: StartOptions) => start(options));
}

const FLEET_EXAMPLES = examples(
  ['comfy-fleet fleet', 'pools, instances with the jobs they run, and the shares of keys'],
  ["comfy-fleet fleet | jq '[.pools[].waiting] | add'", 'how many jobs wait'],
);

export function addFleet(program: Command, context: Context): void {
  const command = program.command('fleet').description('shows the fleet (for keys with the scope admin)');
  addAccessOptions(addJsonOption(command)).addHelpText('after', FLEET_EXAMPLES);
  setAction(command, context, async (io, options: JsonOptions) => {
    const { terminal, result } = io;
    const fleet = await connect(options, io);
    if (terminal === undefined || options.json === true) {
      result(JSON.stringify(await fleet.status()));
      return EXIT.done;
    }
    const { readFleet, fleetText } = await import('./fleet/fleet-view.js');
    const view = await readFleet(fleet, {});
    result(fleetText(view, { ...drawingFor(terminal), sort: 'name' }));
    return EXIT.done;
  });
}

const TOP_KEYS = `
Keys: q quits, s changes the order of the instances (name, busy, running longest, waiting, failed), ↑ and ↓ scroll them,
and space refreshes at once.
`;
const TOP_EXAMPLES = examples(['comfy-fleet top', 'every second'], ['comfy-fleet top --every 10', 'every ten seconds']);

interface TopOptions extends AccessOptions {
  readonly every: number;
}

export function addTop(program: Command, context: Context): void {
  const command = program.command('top').description('shows the fleet live (for keys with the scope admin)');
  command.addOption(new Option('--every <seconds>', 'time between two updates').argParser(wholeNumber(1)).default(1));
  addAccessOptions(command).addHelpText('after', TOP_KEYS + TOP_EXAMPLES);
  setAction(command, context, async (io, { every, ...options }: TopOptions) => {
    const { terminal, keyboard } = io;
    if (terminal === undefined) throw new UsageError('top needs a terminal; programs can use comfy-fleet fleet.');
    const fleet = await connect(options, io, { retries: 0 }); // top polls anyway
    const { runTop } = await import('./fleet/top.js');
    await runTop(fleet, { terminal, keyboard, every, signal: io.interrupted() });
    return EXIT.done;
  });
}

const DOCTOR_HELP = `
It reads the same settings as the services, from the environment and .env. It changes nothing, and deletes the picture
that it stores as a test. The exit code is 1 if a check fails.
${examples(
  ['comfy-fleet doctor', 'what works, what does not, and how to fix it'],
  ['comfy-fleet doctor --json | jq \'.findings[] | select(.level == "fail")\'', 'only what fails, for a script'],
)}`;

export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .description('checks Redis, ComfyUI, storage, keys and settings, and says how to fix what is wrong')
    .option('--json', 'writes { ok, findings: [{ check, level, found, mend? }] }')
    .addHelpText('after', DOCTOR_HELP);
  setAction(command, context, async (io, { json = false }: { json?: boolean }) =>
    (await import('./doctor/doctor.js')).runDoctor(json, io),
  );
}

const INSTANCES_HELP = `
It asks each ComfyUI of COMFYUI_URLS or COMFYUI_INSTANCES_FILE for its version, GPU and checkpoints. The exit code is 1 if one
of them does not answer or can run no workflow. In the JSON, text2img.checkpoint is the checkpoint that a text2img request
must name so that an instance can run it (null: it need not name one); text2img is null if no instance can run it.
${examples(
  ['comfy-fleet instances', 'a line for each ComfyUI'],
  ["comfy-fleet instances --json | jq '.instances[] | select(.answers | not).name'", 'those that do not answer'],
)}`;

export function addInstances(program: Command, context: Context): void {
  const command = program
    .command('instances')
    .description('lists each ComfyUI, the workflows it can run, and how to fix what it cannot run')
    .option('--json', 'writes { instances: [{ name, answers, text }], text2img: { checkpoint } | null }')
    .addHelpText('after', INSTANCES_HELP);
  setAction(command, context, async (io, { json = false }: { json?: boolean }) =>
    (await import('./instances/instances.js')).runInstances(json, io),
  );
}
