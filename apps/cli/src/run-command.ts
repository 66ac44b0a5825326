import { type Command, type Surroundings, UsageError } from './command.js';

interface Entry {
  /** A line for the list of commands. */
  readonly summary: string;
  /** Each loads what it needs: a second of libraries for one, nothing for another. */
  load(): Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  doctor: {
    summary: 'checks Redis, ComfyUI, storage, keys and settings, and says how to fix what is wrong',
    load: async () => (await import('./doctor/doctor.js')).doctor,
  },
  instances: {
    summary: 'says what each ComfyUI is, which workflows it can run, and what to set where it cannot',
    load: async () => (await import('./instances/instances.js')).instances,
  },
  keys: {
    summary: 'makes, shows and takes away the keys with which callers use the API',
    load: async () => (await import('./keys/run-keys.js')).keys,
  },
  workflows: {
    summary: 'says which inputs and outputs a workflow has, what it needs, and what ComfyUI would refuse of it',
    load: async () => (await import('./workflows/workflows.js')).workflows,
  },
};
const MISUSED = 2;

/** Runs the command that the first argument names. Answers its exit code, 2 when it was called wrongly. */
export async function runCommand(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const [name = '--help', ...rest] = args;
  if (name === '--help' || name === '-h') {
    surroundings.result(helpText());
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    surroundings.say(`There is no command ${name}.\n\n${helpText()}`);
    return MISUSED;
  }
  try {
    return await (await command.load()).run(rest, surroundings);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    surroundings.say(error.message);
    return MISUSED;
  }
}

function helpText(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`);
  return ['comfy-fleet <command>', '', ...lines].join('\n');
}
