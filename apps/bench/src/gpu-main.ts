import { readTestSettings } from '@comfy-fleet/config';
import { startRedisServer } from '@comfy-fleet/testing';
import { Scope } from './lib/scope.js';
import { durableWrite } from './measure/durable-write.js';
import { type Goal, goalTable, isMet } from './measure/goals.js';
import { benchReal } from './measure/gpu/real.js';
import { benchSimulated } from './measure/gpu/simulated.js';
import { load, machine } from './measure/machine.js';
import { type Options, readOptions, USAGE } from './measure/options.js';

const STOPPED = 130;

const print = (text: string) => {
  process.stdout.write(`${text}\n`);
};

async function measure(scope: Scope, { quick }: Options): Promise<Goal[]> {
  const { COMFYUI_URL: url } = readTestSettings();
  const redis = await startRedisServer();
  scope.onClose(() => redis.close());
  const options = { quick, redisUrl: redis.url, print };
  return url === undefined ? benchSimulated(scope, options) : benchReal(scope, { ...options, url });
}

/** Resolves to the exit code. */
async function main(scope: Scope, args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    print(USAGE);
    return 0;
  }
  print(machine());
  print(`${await durableWrite()}; ${load()} before it began`);
  const began = performance.now();
  const goals = await measure(scope, options);
  print(goalTable(goals));
  const missed = goals.filter((goal) => !isMet(goal)).length;
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  print(`${goals.length - missed} goals met, ${missed} missed; it took ${seconds} s; ${load()} now`);
  return missed > 0 && options.goals ? 1 : 0;
}

const all = new Scope();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => all.close().finally(() => process.exit(STOPPED)));
}
main(all, process.argv.slice(2))
  .finally(() => all.close())
  .then(
    (code) => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(1);
    },
  );
