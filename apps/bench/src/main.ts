/**
 * Resolves to the exit code. When the signal aborts, it stops everything that it started, and rejects with the reason.
 */
type Bench = (args: readonly string[], signal: AbortSignal) => Promise<number>;

/** Each benchmark is loaded only when it runs, so that the libraries of the others do not affect what it measures. */
const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  gpu: async () => (await import('./measure/gpu/bench.js')).benchGpu,
  api: async () => (await import('./measure/api/bench.js')).benchApi,
  scheduler: async () => (await import('./measure/scheduler/bench.js')).benchScheduler,
  fleet: async () => (await import('./trials/bench-fleet.js')).benchFleet,
  chaos: async () => (await import('./trials/chaos/chaos.js')).benchChaos,
};
const STOPPED = 130;

/** Runs the benchmark named by the first argument until it ends or is stopped. Resolves to the exit code. */
async function runBench([name = '', ...args]: readonly string[]): Promise<number> {
  const load = BENCHES[name];
  if (load === undefined) {
    process.stderr.write(`Name one of: ${Object.keys(BENCHES).join(', ')}.\n`);
    return 1;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    const bench = await load();
    return await bench(args, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return STOPPED;
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
}

process.exit(await runBench(process.argv.slice(2)));
