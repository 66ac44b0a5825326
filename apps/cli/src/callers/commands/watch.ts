import type { Command } from 'commander';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { readTemplate } from '../file-names.js';
import { follow } from '../follow/follow.js';
import { addFollowOptions, examples, type MakeOptions } from '../options.js';

const EXAMPLES = examples(
  ['comfy-fleet watch 0197… -o fox.png', 'follows a job to its end and saves what it made'],
  ['comfy-fleet watch $(comfy-fleet generate "a red fox" --detach | jq -r .id)', 'one that was left to itself'],
);

export function addWatch(program: Command, context: Context): void {
  const command = program.command('watch').description('follows a job to its end').argument('<job>');
  addFollowOptions(command).addHelpText('after', EXAMPLES);
  act(command, context, async (surroundings, id: string, { output, ...options }: MakeOptions) => {
    const template = output === undefined ? undefined : readTemplate(output, 'one job');
    const fleet = await connect(options, surroundings);
    return follow(fleet, await fleet.jobs.get(id), { ...options, template }, surroundings);
  });
}
