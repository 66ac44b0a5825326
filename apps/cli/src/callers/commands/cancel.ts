import type { Command } from 'commander';
import { EXIT } from '../../exit-codes.js';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { tellJob } from '../make-job.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions } from '../options.js';

const EXAMPLES = examples(
  ['comfy-fleet cancel 0197…', 'a job'],
  ['comfy-fleet jobs --status queued --limit 1000 | jq -r .id | xargs comfy-fleet cancel', 'all that wait'],
);

export function addCancel(program: Command, context: Context): void {
  const command = program.command('cancel').description('cancels jobs').argument('<job...>');
  addAccessOptions(addJsonOption(command)).addHelpText('after', EXAMPLES);
  act(command, context, async (surroundings, ids: string[], options: JsonOptions) => {
    const fleet = await connect(options, surroundings);
    for (const id of ids) {
      const job = await fleet.jobs.get(id);
      await job.cancel();
      tellJob(job, options, surroundings);
    }
    return EXIT.done;
  });
}
