import type { Command } from 'commander';
import { act, type Context } from '../act.js';
import { makeJob } from '../make-job.js';
import { addMakeOptions, examples, type MakeOptions } from '../options.js';
import { addOrderOptions, fieldsOf, pairsOption } from '../order-fields.js';
import { runOrder } from '../orders.js';

const EXAMPLES = examples(
  ['comfy-fleet run flux --input prompt="a red fox" --input steps=4 -o fox.png', 'a workflow of the fleet'],
  ['comfy-fleet run upscale --file image=@small.png -o large.png', 'with a file to start from'],
  ['comfy-fleet workflows show flux --url $COMFY_FLEET_URL', 'its inputs'],
);

interface RunOptions extends MakeOptions {
  readonly input: Readonly<Record<string, string>>;
  readonly file: Readonly<Record<string, string>>;
}

export function addRun(program: Command, context: Context): void {
  const command = program.command('run').description('runs a workflow').argument('<workflow>');
  command
    .addOption(pairsOption('--input <name=value>', 'an input'))
    .addOption(pairsOption('--file <name=@path>', 'a file for an input'));
  addMakeOptions(addOrderOptions(command, 'run')).addHelpText('after', EXAMPLES);
  act(command, context, (surroundings, workflow: string, { input, file, ...options }: RunOptions) => {
    const fields = fieldsOf('run', { ...options });
    const asked = { workflow, inputs: input, files: file, fields };
    return makeJob(async (fleet) => (await runOrder(fleet, asked)).place({}), options, surroundings);
  });
}
