import type { Command } from 'commander';
import { EXIT } from '../../exit-codes.js';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions } from '../options.js';

const EXAMPLES = examples(
  ['comfy-fleet fleet', 'pools, instances and what they run, the shares of keys'],
  ["comfy-fleet fleet | jq '[.pools[].waiting] | add'", 'how many jobs wait'],
);

export function addFleet(program: Command, context: Context): void {
  const command = program.command('fleet').description('shows the fleet (for keys with the scope admin)');
  addAccessOptions(addJsonOption(command)).addHelpText('after', EXAMPLES);
  act(command, context, async (surroundings, options: JsonOptions) => {
    const { terminal, result } = surroundings;
    const fleet = await connect(options, surroundings);
    if (terminal === undefined || options.json === true) {
      result(JSON.stringify(await fleet.status()));
      return EXIT.done;
    }
    const [{ lookAtFleet }, { fleetText }] = await Promise.all([
      import('../fleet/look-at-fleet.js'),
      import('../fleet/fleet-view.js'),
    ]);
    const view = await lookAtFleet(fleet, {});
    const width = (terminal.columns ?? 80) - 1;
    result(fleetText(view, { width, isColored: terminal.hasColors?.() ?? false, sort: 'name' }));
    return EXIT.done;
  });
}
