import type { Fleet } from '@comfy-fleet/client';
import type { Command } from 'commander';
import { act, type Context } from '../act.js';
import { makeJobs } from '../make-jobs.js';
import { addMakeOptions, addSheetOptions, examples, type SheetMakeOptions } from '../options.js';
import { addOrderOptions, fieldsOf, pairsOption } from '../order-fields.js';
import { runOrder } from '../orders.js';
import type { Row } from '../sheets/read-sheet.js';

const EXAMPLES = examples(
  ['comfy-fleet run flux --input prompt="a red fox" --input steps=4 -o fox.png', 'a workflow of the fleet'],
  ['comfy-fleet run upscale --file image=@small.png -o large.png', 'with a file to start from'],
  ['comfy-fleet run upscale --from photos.csv -o out/{line}.png', 'one of each row: its columns are the inputs'],
  ['comfy-fleet workflows show flux', 'its inputs'],
);

interface RunOptions extends SheetMakeOptions {
  readonly input: Readonly<Record<string, string>>;
  readonly file: Readonly<Record<string, string>>;
}

export function addRun(program: Command, context: Context): void {
  const command = program.command('run').description('runs a workflow').argument('<workflow>');
  command
    .addOption(pairsOption('--input <input=value>', 'an input'))
    .addOption(pairsOption('--file <input=@path>', 'a file for an input'));
  addMakeOptions(addSheetOptions(addOrderOptions(command, 'run'))).addHelpText('after', EXAMPLES);
  act(command, context, (surroundings, workflow: string, { input, file, ...options }: RunOptions) => {
    const asked = { workflow, files: file, fields: fieldsOf('run', { ...options }) };
    const making = {
      one: (fleet: Fleet) => runOrder(fleet, { ...asked, inputs: input }),
      ofRow: (fleet: Fleet, row: Row) => runOrder(fleet, { ...asked, inputs: { ...input, ...row.fields } }),
    };
    return makeJobs(making, options, surroundings);
  });
}
