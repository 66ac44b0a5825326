import type { Command } from 'commander';
import type { Surroundings } from '../command.js';

/** What the commands of a program are given: where they run, and where their exit code goes. */
export interface Context {
  readonly surroundings: Surroundings;
  exit(code: number): void;
}

/** A command does `work` with its arguments, options last, and ends with the exit code that it resolves to. */
export function act<Given extends unknown[]>(
  command: Command,
  { surroundings, exit }: Context,
  work: (surroundings: Surroundings, ...given: Given) => Promise<number>,
): void {
  command.action(async (...given: unknown[]) => exit(await work(surroundings, ...(given.slice(0, -1) as Given))));
}
