import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PACKAGES_DIR } from './apt.mjs';
import { prepareForDevelopment, toolEnv } from './prepare.mjs';
import { createPrinter } from './printer.mjs';
import { Problem } from './problem.mjs';
import { launch } from './processes.mjs';
import { redisOnPath } from './redis-binary.mjs';
import { provideRedis } from './redis-provision.mjs';
import { createStack } from './stack.mjs';
import { aborted, listenForStop } from './stop-signals.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** How long the program may take to stop its processes and remove its folders. */
const GRACE_MS = 15_000;
const STOPPED = 130;

/**
 * Installs and builds, then runs `apps/bench/dist/main.js`. Resolves to its exit code, or 130 if it was stopped.
 * @param {readonly string[]} args the name and the arguments of a bench
 * @param {{ root?: string, env?: NodeJS.ProcessEnv, prepare?: typeof prepareForDevelopment }} options
 * @returns {Promise<number>}
 */
export async function runBench(args, { root = ROOT, env = process.env, prepare = prepareForDevelopment } = {}) {
  const print = createPrinter();
  const stop = listenForStop();
  const stack = createStack({ root, print });
  const scratch = mkdtempSync(join(tmpdir(), 'comfy-fleet-bench-'));
  /** @type {import('./processes.mjs').Child | undefined} */
  let program;

  const run = async () => {
    const means = { env, run: stack.run, say: print.say, packagesDir: join(root, PACKAGES_DIR) };
    const redis = await provideRedis({ ...means, mayUseDocker: false });
    await prepare({ root, env, run: stack.run, print });
    if (stop.asked.aborted) return STOPPED;
    program = launch('bench', process.execPath, [join(root, 'apps/bench/dist/main.js'), ...args], {
      cwd: root,
      env: toolEnv(root, redisOnPath(env, redis.path, scratch)),
      onLine: (line) => process.stdout.write(`${line}\n`),
    });
    return (await program.exited).code ?? 1;
  };

  try {
    return await Promise.race([run(), aborted(stop.asked).then(() => STOPPED)]);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    print.problem(error.message);
    return 1;
  } finally {
    await program?.stop(GRACE_MS, stop.forced);
    await stack.stopAll(stop.forced);
    rmSync(scratch, { recursive: true, force: true });
  }
}
