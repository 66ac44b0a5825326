import { startRedisServer } from '@comfy-fleet/testing';
import { goalTable, isMet } from './gpu/goals.js';
import { machine } from './gpu/machine.js';
import { readOptions, USAGE } from './gpu/options.js';
import { scoped } from './gpu/scope.js';
import { measureSimulated } from './gpu/simulated.js';

const print = (text: string) => {
  process.stdout.write(`${text}\n`);
};

/** Resolves to the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { help, quick, goals: mustBeMet } = readOptions(args);
  if (help) {
    print(USAGE);
    return 0;
  }
  print(machine());
  const began = performance.now();
  const goals = await scoped(async (scope) => {
    const redis = await startRedisServer();
    scope.onClose(() => redis.close());
    return measureSimulated({ quick, redisUrl: redis.url }, print);
  });
  print(goalTable(goals));
  const missed = goals.filter((goal) => !isMet(goal)).length;
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  print(`\n${goals.length - missed} goals met, ${missed} missed; ${seconds} s`);
  return missed > 0 && mustBeMet ? 1 : 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  },
);
