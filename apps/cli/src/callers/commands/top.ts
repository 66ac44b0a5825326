import { setTimeout as delay } from 'node:timers/promises';
import { FleetUnreachableError } from '@comfy-fleet/client';
import { type Command, Option } from 'commander';
import { type Terminal, UsageError } from '../../command.js';
import { EXIT } from '../../exit-codes.js';
import { act, type Context } from '../act.js';
import { connect } from '../connect.js';
import { addAccessOptions, examples, wholeNumber } from '../options.js';
import type { AccessOptions } from '../profiles.js';
import { showFleet } from '../show-fleet.js';

const EXAMPLES = examples(['comfy-fleet top', 'until Ctrl-C'], ['comfy-fleet top --every 10', 'every ten seconds']);

interface TopOptions extends AccessOptions {
  readonly every: number;
}

export function addTop(program: Command, context: Context): void {
  const command = program.command('top').description('shows the fleet as it changes (for keys with the scope admin)');
  command.addOption(new Option('--every <seconds>', 'between two looks').argParser(wholeNumber(1)).default(1));
  addAccessOptions(command).addHelpText('after', EXAMPLES);
  act(command, context, async (surroundings, { every, ...options }: TopOptions) => {
    const { terminal } = surroundings;
    if (terminal === undefined) throw new UsageError('top needs a terminal; for a program there is comfy-fleet fleet.');
    const fleet = await connect(options, surroundings);
    const signal = surroundings.interrupted();
    const look = async () => showFleet(await fleet.status({ signal }), terminal.columns ?? 80, Date.now());
    await redraw(terminal, look, every, signal);
    return EXIT.done;
  });
}

/** Draws what `look` resolves to, again and again, until the signal. An API that does not answer may do so later. */
async function redraw(terminal: Terminal, look: () => Promise<string>, every: number, signal: AbortSignal) {
  const { createLogUpdate } = await import('log-update');
  const update = createLogUpdate(terminal as NodeJS.WriteStream);
  try {
    while (!signal.aborted) {
      update(`${await look().catch(unreachable)}\n\n${new Date().toLocaleTimeString()} · Ctrl-C ends this`);
      await delay(every * 1000, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    update.done();
  }
}

function unreachable(error: unknown): string {
  if (error instanceof FleetUnreachableError) return `${error.message}.`;
  throw error;
}
