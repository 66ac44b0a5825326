import type { AdminStatus } from '@comfy-fleet/client';
import type { Command } from 'commander';
import { connect } from './callers/connect.js';
import { addAccessOptions, addJsonOption, examples, type JsonOptions } from './callers/options.js';
import { type CommandIo, type Context, setAction } from './command.js';
import { EXIT } from './exit-codes.js';
import { plain } from './text.js';

const PAUSE_EXAMPLES = examples(
  ['comfy-fleet pause', 'workers claim no more jobs; what runs goes on'],
  ['comfy-fleet pause video', 'only the jobs of this pool wait'],
);
const RESUME_EXAMPLES = examples(
  ['comfy-fleet resume', 'ends a pause of the fleet'],
  ['comfy-fleet resume video', 'ends a pause of this pool'],
  ['comfy-fleet resume gpu/1', 'ends the drain of this instance'],
);
const DRAIN_EXAMPLES = examples(['comfy-fleet drain gpu/1', 'before you restart this ComfyUI']);

export function addPause(program: Command, context: Context): void {
  const command = program
    .command('pause')
    .description('lets new jobs wait, in the fleet or one pool')
    .argument('[pool]');
  addAccessOptions(addJsonOption(command)).addHelpText('after', PAUSE_EXAMPLES);
  setAction(command, context, async (io, pool: string | undefined, options: JsonOptions) =>
    show(await (await connect(options, io)).halts.pause(pool === undefined ? {} : { pool }), options, io),
  );
}

export function addResume(program: Command, context: Context): void {
  const command = program
    .command('resume')
    .description('ends a pause of the fleet or a pool, or the drain of an instance')
    .argument('[pool-or-instance]');
  addAccessOptions(addJsonOption(command)).addHelpText('after', RESUME_EXAMPLES);
  setAction(command, context, async (io, name: string | undefined, options: JsonOptions) => {
    const { halts } = await connect(options, io);
    const isInstance = name?.includes('/') === true; // the names of pools have no slash
    const status = isInstance ? halts.resumeInstance(name) : halts.resume(name === undefined ? {} : { pool: name });
    return show(await status, options, io);
  });
}

export function addDrain(program: Command, context: Context): void {
  const command = program
    .command('drain')
    .description('gives an instance no more jobs; what runs there goes on')
    .argument('<instance>');
  addAccessOptions(addJsonOption(command)).addHelpText('after', DRAIN_EXAMPLES);
  setAction(command, context, async (io, instance: string, options: JsonOptions) =>
    show(await (await connect(options, io)).halts.drain(instance), options, io),
  );
}

/** Prints all that is paused or drained. */
function show(status: AdminStatus, { json }: JsonOptions, { terminal, result }: CommandIo): number {
  if (terminal === undefined || json === true) {
    result(JSON.stringify(status));
    return EXIT.done;
  }
  const { paused, pools, instances } = status;
  const lines = [
    ...(paused === null ? [] : [`The fleet is paused since ${paused.since}, by ${paused.by}.`]),
    ...pools.map(({ name, since, by }) => `The pool ${name} is paused since ${since}, by ${by}.`),
    ...instances.map(({ name, state, since, by }) => `The instance ${name} is ${state} since ${since}, by ${by}.`),
  ];
  result(lines.map(plain).join('\n') || 'Nothing is paused or drained.');
  return EXIT.done;
}
