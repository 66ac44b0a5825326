import type { Command } from 'commander';
import { EXIT } from '../../exit-codes.js';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions } from '../options.js';
import { showJob } from '../show-job.js';

const EXAMPLES = examples(
  ['comfy-fleet get 0197…', 'all that there is to know of a job'],
  ['comfy-fleet get 0197… | jq -r .request.seed', 'one thing of it'],
);

export function addGet(program: Command, context: Context): void {
  const command = program.command('get').description('shows a job').argument('<job>');
  addAccessOptions(addJsonOption(command)).addHelpText('after', EXAMPLES);
  act(command, context, async ({ terminal, result, ...surroundings }, id: string, options: JsonOptions) => {
    const fleet = await connect(options, { result, ...surroundings });
    const job = await fleet.jobs.get(id);
    result(terminal === undefined || options.json === true ? JSON.stringify(job.snapshot) : showJob(job));
    return EXIT.done;
  });
}
