import { setTimeout as delay } from 'node:timers/promises';
import { takeData } from './data-lock.mjs';
import { requireFree } from './ports.mjs';
import { createPrinter } from './printer.mjs';
import { Problem } from './problem.mjs';
import { processIdentity } from './process-identity.mjs';
import { signalGroup } from './processes.mjs';
import { bringUp } from './services.mjs';
import { readRunnerSettings, startsRedis } from './settings.mjs';
import { createStack } from './stack.mjs';
import { aborted, listenForStop } from './stop-signals.mjs';
import { PACE } from './supervised.mjs';

/**
 * Runs everything until a stop is requested or a service cannot be kept running, then stops all processes. Resolves to the exit
 * code.
 * @param {{
 *   installation: import('./installation.mjs').Installation, env?: NodeJS.ProcessEnv,
 *   prepare: (means: import('./prepare.mjs').Means) => Promise<void>, pace?: import('./supervised.mjs').Pace,
 * }} options
 * @returns {Promise<number>}
 */
export async function startStack({ installation, env = process.env, prepare, pace = PACE }) {
  const { folder: root, dataDir, startCommand } = installation;
  const print = createPrinter();
  const stop = listenForStop();
  const stack = createStack({ root, print, pace });
  /** @type {import('./data-lock.mjs').DataLock | undefined} */
  let lock;

  const run = async () => {
    const began = performance.now();
    const given = { ...env };
    const settings = readRunnerSettings(root, env);
    lock = takeData(dataDir, startCommand);
    await endLeftovers(lock.leftovers, print); // first, because they may still use the ports
    if (settings.port !== 0) await requireFree('PORT', settings.host, settings.port);
    if (settings.redisPort !== 0 && startsRedis(settings))
      await requireFree('REDIS_PORT', '127.0.0.1', settings.redisPort);
    if (settings.apiMetricsPort !== 0) {
      await requireFree('API_METRICS_PORT', settings.healthHost, settings.apiMetricsPort);
    }
    if (settings.workerHealthPort !== 0) {
      await requireFree('WORKER_HEALTH_PORT', settings.healthHost, settings.workerHealthPort);
    }
    if (settings.dispatcherHealthPort !== 0) {
      await requireFree('DISPATCHER_HEALTH_PORT', settings.healthHost, settings.dispatcherHealthPort);
    }
    await prepare({ root, env, run: stack.run, print });
    await bringUp({ installation, env, settings, stack, print, lock, signal: stop.asked, began, given });
    await aborted(stop.asked);
  };

  /** @type {unknown} */
  let fault;
  try {
    await Promise.race([run(), stack.failed, aborted(stop.asked)]);
  } catch (error) {
    if (!stop.asked.aborted) fault = error; // ignore errors that the stop itself causes
  }
  if (stop.asked.aborted) print.say('Stopping (Ctrl-C again to force it).');
  // After a fault, no stop was requested yet, so the first Ctrl-C forces it.
  await stack.stopAll(stop.asked.aborted ? stop.forced : stop.asked);
  lock?.release();
  if (fault === undefined) return stop.forced.aborted ? 130 : 0;
  print.problem(fault instanceof Problem ? fault.message : `The runner itself failed: ${stackOf(fault)}`);
  if (fault instanceof Problem) for (const line of fault.details) print.say(`  ${line}`);
  return 1;
}

/**
 * Stops processes that a killed run left, because they would still write to the same data.
 * @param {readonly import('./data-lock.mjs').Known[]} leftovers
 * @param {import('./printer.mjs').Printer} print
 */
async function endLeftovers(leftovers, print) {
  for (const { name, pid, identity } of [...leftovers].reverse()) {
    print.line(name, `still running since an earlier start (process ${pid}); stopping it`);
    signalGroup(pid, 'SIGTERM');
    for (let waited = 0; processIdentity(pid) === identity; waited += 100) {
      if (waited === 10_000) signalGroup(pid, 'SIGKILL');
      if (waited === 20_000) throw new Problem(`${name} of an earlier start (process ${pid}) cannot be stopped.`);
      await delay(100);
    }
  }
}

/** @param {unknown} error */
function stackOf(error) {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
