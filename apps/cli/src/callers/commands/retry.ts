import type { Command } from 'commander';
import { act, type Context } from '../act.js';
import { makeJob } from '../make-job.js';
import { addMakeOptions, examples, type MakeOptions } from '../options.js';

const EXAMPLES = examples(
  ['comfy-fleet retry 0197… -o again.png', 'the same once more, for example after a failure'],
  ['comfy-fleet retry 0197… --seed random', 'another picture of the same request'],
);

interface RetryOptions extends MakeOptions {
  readonly seed?: string;
}

export function addRetry(program: Command, context: Context): void {
  const command = program.command('retry').description('makes a job that has ended once more').argument('<job>');
  command.option('--seed <seed>', 'a number, or random; the same as before by default');
  addMakeOptions(command).addHelpText('after', EXAMPLES);
  act(command, context, (surroundings, id: string, { seed, ...options }: RetryOptions) => {
    const request = seed === undefined ? {} : { seed };
    return makeJob(
      async (fleet, more) => (await fleet.jobs.get(id)).retry({ ...request, ...more }),
      options,
      surroundings,
    );
  });
}
