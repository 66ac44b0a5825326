import type { Command } from 'commander';
import { act, type Context } from '../callers/act.js';
import { examples } from '../callers/options.js';

const HELP = `
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
    .addHelpText('after', HELP);
  act(command, context, async (surroundings, { json = false }: { json?: boolean }) =>
    (await import('./doctor.js')).runDoctor(json, surroundings),
  );
}
