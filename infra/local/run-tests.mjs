import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PACKAGES_DIR } from './apt.mjs';
import { provideMoto, withUnpackedMoto } from './moto-provision.mjs';
import { install, prepareForDevelopment, toolEnv } from './prepare.mjs';
import { createPrinter } from './printer.mjs';
import { Problem } from './problem.mjs';
import { redisOnPath } from './redis-binary.mjs';
import { provideRedis } from './redis-provision.mjs';
import { createStack } from './stack.mjs';
import { aborted, listenForStop } from './stop-signals.mjs';
import { provideTestTools, withUnpackedTools } from './test-tools.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The gears of the tests, in the order in which they run: the quickest first, each a project of vitest.config.ts. */
const GEARS = ['unit', 'redis', 'system'];

/**
 * Runs the checks and all tests, or the tests of one gear, and ends with the line `N passed, N failed`. A failed check counts as
 * one failure and does not stop the rest. Resolves to the exit code, which is 0 only if tests ran and nothing failed.
 * @param {{
 *   root?: string, env?: NodeJS.ProcessEnv, only?: string, args?: readonly string[],
 *   prepare?: { install: typeof install, build: typeof prepareForDevelopment },
 * }} options `args` are vitest's, such as the path of a file
 * @returns {Promise<number>}
 */
export async function runTests({
  root = ROOT,
  env = process.env,
  only,
  args = [],
  prepare = { install, build: prepareForDevelopment },
} = {}) {
  const print = createPrinter();
  const stop = listenForStop();
  const stack = createStack({ root, print });
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
  /** @type {(name: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv) => Promise<void>} */
  const runTool = (name, program, args, env) =>
    stack.run(name, process.execPath, [join(root, 'node_modules', program), ...args], env);

  /** @type {(gear: string, tools: NodeJS.ProcessEnv) => Promise<void>} */
  const testGear = async (gear, tools) => {
    const report = join(scratch, `${gear}.json`);
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const vitest = ['run', '--project', gear, '--passWithNoTests', ...reporters, ...args];
    const broken = await runTool(gear, 'vitest/vitest.mjs', vitest, tools).catch((error) => error);
    const count = countTests(report);
    passed += count.passed;
    failures.push(...count.failures);
    // An error outside the tests fails the run without a failed test.
    if (broken !== undefined && count.failures.length === 0) throw broken;
  };

  const run = async () => {
    const isWhole = only === undefined;
    if (!isWhole && !GEARS.includes(only)) throw new Problem(`Name one of: ${GEARS.join(', ')}.`);
    const development = { root, env, run: stack.run, print };
    await prepare.install(development, { forDevelopment: true });
    const plain = toolEnv(root, env);
    if (isWhole) await attempt(() => runTool('check', 'pnpm/bin/pnpm.cjs', ['run', 'check'], plain));
    if (isWhole || only === 'unit') await attempt(() => testGear('unit', plain));
    if (only === 'unit') return;
    const packagesDir = join(root, PACKAGES_DIR);
    const means = { env, run: stack.run, say: print.say, packagesDir };
    const redis = await provideRedis({ ...means, mayUseDocker: false });
    const withRedis = toolEnv(root, redisOnPath(env, redis.path, scratch));
    const forSystem = async () => {
      await attempt(() => provideTestTools(means));
      await attempt(() => provideMoto(means));
      await prepare.build(development);
    };
    if (only === 'redis') return attempt(() => testGear('redis', withRedis));
    // In parallel with the Redis tests, which mostly wait.
    const preparing = forSystem().catch((error) => error);
    if (isWhole) await attempt(() => testGear('redis', withRedis));
    const fault = await preparing;
    if (fault !== undefined) throw fault;
    await testGear('system', withUnpackedMoto(withUnpackedTools(withRedis, packagesDir), packagesDir));
  };

  try {
    await attempt(() => Promise.race([run(), aborted(stop.asked)]));
  } finally {
    await stack.stopAll(stop.forced);
    rmSync(scratch, { recursive: true, force: true });
  }
  if (stop.asked.aborted) failures.push('stopped before the end');
  if (passed === 0 && failures.length === 0) failures.push('no test ran');
  for (const failure of failures) print.problem(failure);
  process.stdout.write(`${passed} passed, ${failures.length} failed\n`);
  return failures.length === 0 ? 0 : 1;
}

/**
 * Installs the dependencies, then lets vitest run the unit tests again at each change.
 * @param {readonly string[]} args vitest's
 * @returns {Promise<number>} its exit code
 */
export async function watchTests(args) {
  const print = createPrinter();
  const stack = createStack({ root: ROOT, print });
  await install({ root: ROOT, env: process.env, run: stack.run, print }, { forDevelopment: true });
  const vitest = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'watch', '--project', 'unit', ...args];
  const watching = spawn(process.execPath, vitest, { cwd: ROOT, stdio: 'inherit', env: toolEnv(ROOT, process.env) });
  process.on('SIGINT', () => undefined); // the terminal sends SIGINT to vitest too, which exits
  const [code] = await once(watching, 'exit');
  return code ?? 1;
}

/**
 * Counts the results in vitest's JSON report. A test file that cannot be loaded counts as one failure.
 * @param {string} path of the report, which does not exist if vitest could not start
 * @returns {{ passed: number, failures: string[] }}
 */
export function countTests(path) {
  if (!existsSync(path)) return { passed: 0, failures: [] };
  /** @type {{ numPassedTests: number, testResults: { name: string, status: string, message: string, assertionResults: { status: string, fullName: string }[] }[] }} */
  const report = JSON.parse(readFileSync(path, 'utf8'));
  const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => `${name}: ${test.fullName}`);
    return status === 'failed' && failed.length === 0 ? [`${name}: ${message}`] : failed;
  });
  return { passed: report.numPassedTests, failures };
}
