import { startRedisServer } from '@comfy-fleet/testing';
import { Scope } from './lib/scope.js';
import { findCores, keepTo } from './measure/api/cores.js';
import { measureApi } from './measure/api/measure.js';
import { measureWebhooks } from './measure/api/measure-webhooks.js';
import { webhooksGoals, webhooksTable } from './measure/api/report.js';
import { durableWrite } from './measure/durable-write.js';
import { type Goal, goalTable, isMet } from './measure/goals.js';
import { load, machine } from './measure/machine.js';
import { type Options, readOptions } from './measure/options.js';

const STOPPED = 130;
const USAGE = `npm run bench:api -- [--quick] [--no-goals]
  --quick     less of everything: to see that it works, not to compare numbers
  --no-goals  exit code 0 even when a goal is missed`;

const print = (text: string) => {
  process.stdout.write(`${text}\n`);
};

/** With the whole machine: a fleet is more processes than there are cores. */
function webhooks(all: Scope, { quick }: Options): Promise<Goal[]> {
  print('measuring the way of webhooks');
  return all.inner(async (scope) => {
    const redis = await startRedisServer();
    scope.onClose(() => redis.close());
    const ms = await measureWebhooks(scope, { redisUrl: redis.url, count: quick ? 20 : 100 });
    print(webhooksTable(ms));
    return webhooksGoals(ms);
  });
}

async function measure(scope: Scope, options: Options): Promise<Goal[]> {
  const told = await webhooks(scope, options);
  const cores = await findCores();
  if (cores === undefined) print('There is no taskset here, or one core only: the processes share what there is.');
  else {
    print(`from here on the API has core ${cores.api}, the load generator and Redis have core ${cores.others}`);
    await keepTo(cores.others, process.pid);
  }
  return [...(await measureApi(scope, { quick: options.quick, core: cores?.api, print })), ...told];
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
