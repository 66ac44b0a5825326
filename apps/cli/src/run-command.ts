import { type Command, type Surroundings, UsageError } from './command.js';
import { doctor } from './doctor/doctor.js';
import { instances } from './instances/instances.js';

const COMMANDS: Readonly<Record<string, Command>> = { doctor, instances };
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
    return await command.run(rest, surroundings);
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
