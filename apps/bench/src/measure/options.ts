import { parseArgs } from 'node:util';

interface Options {
  /** Fewer prompts: to see that it works, not to compare numbers. */
  readonly quick: boolean;
  /** Whether a missed goal makes the exit code 1. */
  readonly goals: boolean;
}

/** Throws a TypeError that names what it does not know. */
export function readOptions(args: readonly string[]): Options & { readonly help: boolean } {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: 'boolean' }, 'no-goals': { type: 'boolean' }, help: { type: 'boolean' } },
  });
  return { quick: values.quick ?? false, goals: !(values['no-goals'] ?? false), help: values.help ?? false };
}
