import { orAborted } from '@comfy-fleet/contracts';
import { Scope } from '../lib/scope.js';
import { durableWrite } from './durable-write.js';
import { type Goal, goalTable, isMet } from './goals.js';
import { load, machine } from './machine.js';
import { readOptions } from './options.js';

export interface MeasureOptions {
  /** Less of everything: to see that it works, not to compare numbers. */
  readonly quick: boolean;
  readonly print: (text: string) => void;
}

export interface Measurement {
  readonly usage: string;
  /** Prints its tables and answers the goals. What it starts ends with the scope. */
  measure(scope: Scope, options: MeasureOptions): Promise<Goal[]>;
}

const print = (text: string) => {
  process.stdout.write(`${text}\n`);
};

/** Measures, between two lines on the machine, and judges by the goals. Resolves to the exit code. */
export async function runMeasurement(
  { usage, measure }: Measurement,
  args: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    print(usage);
    return 0;
  }
  print(machine());
  print(`${await durableWrite()}; ${load()} before it began`);
  const began = performance.now();
  const scope = new Scope();
  try {
    const goals = await orAborted(measure(scope, { quick: options.quick, print }), signal);
    print(goalTable(goals));
    const missed = goals.filter((goal) => !isMet(goal)).length;
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    print(`${goals.length - missed} goals met, ${missed} missed; it took ${seconds} s; ${load()} now`);
    return missed > 0 && options.goals ? 1 : 0;
  } finally {
    await scope.close();
  }
}
