import { type Command, Option } from 'commander';
import { type AccessOptions, connect } from './callers/connect.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions, wholeNumber } from './callers/options.js';
import { act, type Context, UsageError } from './command.js';
import { EXIT } from './exit-codes.js';

const FLEET_EXAMPLES = examples(
  ['comfy-fleet fleet', 'pools, instances and what they run, the shares of keys'],
  ["comfy-fleet fleet | jq '[.pools[].waiting] | add'", 'how many jobs wait'],
);

export function addFleet(program: Command, context: Context): void {
  const command = program.command('fleet').description('shows the fleet (for keys with the scope admin)');
  addAccessOptions(addJsonOption(command)).addHelpText('after', FLEET_EXAMPLES);
  act(command, context, async (surroundings, options: JsonOptions) => {
    const { terminal, result } = surroundings;
    const fleet = await connect(options, surroundings);
    if (terminal === undefined || options.json === true) {
      result(JSON.stringify(await fleet.status()));
      return EXIT.done;
    }
    const [{ lookAtFleet }, { fleetText }] = await Promise.all([
      import('./fleet/fleet-view.js'),
      import('./fleet/fleet-view.js'),
    ]);
    const view = await lookAtFleet(fleet, {});
    const width = (terminal.columns ?? 80) - 1;
    result(fleetText(view, { width, isColored: terminal.hasColors?.() ?? false, sort: 'name' }));
    return EXIT.done;
  });
}

const TOP_KEYS = `
Keys: q ends it, s sorts the instances (by name, how busy, how long they run, what waits, failures), ↑ and ↓ scroll them,
and the space bar looks at once.
`;
const TOP_EXAMPLES = examples(['comfy-fleet top', 'every second'], ['comfy-fleet top --every 10', 'every ten seconds']);

interface TopOptions extends AccessOptions {
  readonly every: number;
}

export function addTop(program: Command, context: Context): void {
  const command = program.command('top').description('shows the fleet as it changes (for keys with the scope admin)');
  command.addOption(new Option('--every <seconds>', 'between two looks').argParser(wholeNumber(1)).default(1));
  addAccessOptions(command).addHelpText('after', TOP_KEYS + TOP_EXAMPLES);
  act(command, context, async (surroundings, { every, ...options }: TopOptions) => {
    const { terminal, keyboard } = surroundings;
    if (terminal === undefined) throw new UsageError('top needs a terminal; for a program there is comfy-fleet fleet.');
    const fleet = await connect(options, surroundings, { retries: 0 }); // it asks again anyway
    const { runTop } = await import('./fleet/top.js');
    await runTop(fleet, { terminal, keyboard, every, signal: surroundings.interrupted() });
    return EXIT.done;
  });
}

const DOCTOR_HELP = `
It reads the same settings as the services, from the environment and .env, and changes nothing: of the picture that it
stores nothing is left. The exit code is 1 when something does not work.
${examples(
  ['comfy-fleet doctor', 'what works, what does not, and how to fix it'],
  ['comfy-fleet doctor --json | jq \'.findings[] | select(.level == "fail")\'', 'what does not work, for a script'],
)}`;

export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .description('checks Redis, ComfyUI, storage, keys and settings, and says how to fix what is wrong')
    .option('--json', 'writes { ok, findings: [{ check, level, found, mend? }] }')
    .addHelpText('after', DOCTOR_HELP);
  act(command, context, async (surroundings, { json = false }: { json?: boolean }) =>
    (await import('./doctor/doctor.js')).runDoctor(json, surroundings),
  );
}

const INSTANCES_HELP = `
It asks each ComfyUI of COMFYUI_URLS or COMFYUI_INSTANCES_FILE for its version, GPU and checkpoints. The exit code is 1 when one
of them does not answer or can run nothing. With --json, text2img.checkpoint is what a request for text2img has to name
for one of them to run it (null: nothing); text2img is null when none of them can.
${examples(
  ['comfy-fleet instances', 'a line for each ComfyUI'],
  ["comfy-fleet instances --json | jq '.instances[] | select(.answers | not).name'", 'those that do not answer'],
)}`;

export function addInstances(program: Command, context: Context): void {
  const command = program
    .command('instances')
    .description('says what each ComfyUI is, which workflows it can run, and what to set where it cannot')
    .option('--json', 'writes { instances: [{ name, answers, text }], text2img: { checkpoint } | null }')
    .addHelpText('after', INSTANCES_HELP);
  act(command, context, async (surroundings, { json = false }: { json?: boolean }) =>
    (await import('./instances/instances.js')).runInstances(json, surroundings),
  );
}
