import type { Command } from 'commander';
import { act, type Context } from '../callers/act.js';
import { examples } from '../callers/options.js';

const HELP = `
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
    .addHelpText('after', HELP);
  act(command, context, async (surroundings, { json = false }: { json?: boolean }) =>
    (await import('./instances.js')).runInstances(json, surroundings),
  );
}
