import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFleet } from './fleet.mjs';
import { provideMoto } from './moto-provision.mjs';
import { prepareWorkspace, toolEnv } from './prepare.mjs';
import { createPrinter } from './printer.mjs';
import { Problem } from './problem.mjs';
import { redisOnPath } from './redis-on-path.mjs';
import { provideRedis } from './redis-provision.mjs';
import { aborted, listenForStop } from './stop-signals.mjs';
import { countTests } from './test-count.mjs';
import { provideTestTools } from './test-tools.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs the checks and all tests, and ends with the line `N passed, N failed`. A failed check counts as one failure.
 * Resolves to the exit code: 0 only when something ran and nothing failed.
 * @param {{ root?: string, env?: NodeJS.ProcessEnv, prepare?: typeof prepareWorkspace }} options
 * @returns {Promise<number>}
 */
export async function runTests({ root = ROOT, env = process.env, prepare = prepareWorkspace } = {}) {
  const print = createPrinter();
  const stop = listenForStop();
  const fleet = createFleet({ root, print });
  const scratch = mkdtempSync(join(tmpdir(), 'comfy-fleet-test-'));
  let passed = 0;
  /** @type {string[]} */
  const failures = [];
  /** @type {(what: () => Promise<void>) => Promise<void>} */
  const attempt = async (what) => {
    try {
      await what();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      failures.push(error.message);
    }
  };

  const run = async () => {
    const redis = await provideRedis({ env, run: fleet.run, say: print.say, mayUseDocker: false });
    await attempt(() => provideTestTools({ env, run: fleet.run, say: print.say }));
    await attempt(() => provideMoto({ env, run: fleet.run, say: print.say }));
    await prepare(root, env, fleet.run);
    const tools = toolEnv(root, redisOnPath(env, redis.path, scratch));
    await attempt(() =>
      fleet.run('check', process.execPath, [join(root, 'node_modules/pnpm/bin/pnpm.cjs'), 'run', 'check'], tools),
    );
    const report = join(scratch, 'report.json');
    const vitest = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const broken = await fleet
      .run('test', process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...vitest], tools)
      .catch((error) => error);
    const count = countTests(report);
    passed = count.passed;
    failures.push(...count.failures);
    // an error outside every test fails the run without a failed test
    if (broken !== undefined && count.failures.length === 0) throw broken;
  };

  try {
    await attempt(() => Promise.race([run(), aborted(stop.asked)]));
  } finally {
    await fleet.stopAll(stop.forced);
    stop.close();
    rmSync(scratch, { recursive: true, force: true });
  }
  if (stop.asked.aborted) failures.push('stopped before the end');
  if (passed === 0 && failures.length === 0) failures.push('no test ran');
  for (const failure of failures) print.problem(failure);
  process.stdout.write(`${passed} passed, ${failures.length} failed\n`);
  return failures.length === 0 ? 0 : 1;
}
