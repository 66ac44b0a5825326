import type { Command } from 'commander';
import { EXIT } from '../../exit-codes.js';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions } from '../options.js';
import { showFleet } from '../show-fleet.js';

const EXAMPLES = examples(
  ['comfy-fleet fleet', 'pools, instances and what they run, the shares of keys'],
  ["comfy-fleet fleet | jq '[.pools[].waiting] | add'", 'how many jobs wait'],
);

export function addFleet(program: Command, context: Context): void {
  const command = program.command('fleet').description('shows the fleet (for keys with the scope admin)');
  addAccessOptions(addJsonOption(command)).addHelpText('after', EXAMPLES);
  act(command, context, async (surroundings, options: JsonOptions) => {
    const { terminal, result } = surroundings;
    const status = await (await connect(options, surroundings)).status();
    const asJson = terminal === undefined || options.json === true;
    result(asJson ? JSON.stringify(status) : showFleet(status, terminal.columns ?? 80, Date.now()));
    return EXIT.done;
  });
}
