import { type Command, Option } from 'commander';
import { UsageError } from '../../command.js';
import { EXIT } from '../../exit-codes.js';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { addAccessOptions, examples, wholeNumber } from '../options.js';
import type { AccessOptions } from '../profiles.js';

const KEYS = `
Keys: q ends it, s sorts the instances (by name, how busy, how long they run, what waits, failures), ↑ and ↓ scroll them,
and the space bar looks at once.
`;
const EXAMPLES = examples(['comfy-fleet top', 'every second'], ['comfy-fleet top --every 10', 'every ten seconds']);

interface TopOptions extends AccessOptions {
  readonly every: number;
}

export function addTop(program: Command, context: Context): void {
  const command = program.command('top').description('shows the fleet as it changes (for keys with the scope admin)');
  command.addOption(new Option('--every <seconds>', 'between two looks').argParser(wholeNumber(1)).default(1));
  addAccessOptions(command).addHelpText('after', KEYS + EXAMPLES);
  act(command, context, async (surroundings, { every, ...options }: TopOptions) => {
    const { terminal, keyboard } = surroundings;
    if (terminal === undefined) throw new UsageError('top needs a terminal; for a program there is comfy-fleet fleet.');
    const fleet = await connect(options, surroundings, { retries: 0 }); // it asks again anyway
    const { runTop } = await import('../fleet/top.js');
    await runTop(fleet, { terminal, keyboard, every, signal: surroundings.interrupted() });
    return EXIT.done;
  });
}
