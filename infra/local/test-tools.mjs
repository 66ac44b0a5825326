import { delimiter, join } from 'node:path';
import { aptInstall, aptUnpack, findApt } from './apt.mjs';
import { Problem } from './problem.mjs';
import { findProgram } from './redis-binary.mjs';

/**
 * Programs that the tests need besides redis-server, with their Debian packages. A `skippable` program is not unpacked; without
 * it, its tests are skipped.
 * @type {readonly { program: string, package: string, skippable?: true }[]}
 */
const TOOLS = [
  { program: 'docker-compose', package: 'docker-compose' },
  { program: 'promtool', package: 'promtool' },
  { program: 'python3', package: 'python3', skippable: true },
  { program: 'chromium', package: 'chromium', skippable: true },
];

/**
 * Returns an environment whose PATH contains unpacked programs.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} packagesDir
 * @returns {NodeJS.ProcessEnv}
 */
export function withUnpackedTools(env, packagesDir) {
  return { ...env, PATH: [env.PATH, ...TOOLS.map((tool) => join(packagesDir, tool.package, 'bin'))].join(delimiter) };
}

/**
 * Installs missing programs with apt-get as root, or else unpacks them in `packagesDir` for `withUnpackedTools`. Throws a Problem
 * that names programs that are still missing.
 * @param {{
 *   env: NodeJS.ProcessEnv, run: import('./redis-provision.mjs').Run, say: (text: string) => void, packagesDir: string,
 *   platform?: NodeJS.Platform, isRoot?: boolean,
 * }} means
 */
export async function provideTestTools(means) {
  const env = withUnpackedTools(means.env, means.packagesDir);
  const missing = () => TOOLS.filter(({ program }) => findProgram(program, env) === undefined);
  const needed = () => missing().filter((tool) => !tool.skippable);
  const packages = missing().map((tool) => tool.package);
  if (packages.length === 0) return;
  const apt = findApt(means);
  const { isRoot = process.getuid?.() === 0 } = means;
  if (apt !== undefined && isRoot) {
    means.say(`Installing ${packages.join(', ')} with apt-get, for the tests.`);
    await aptInstall(apt, packages, means);
  } else if (apt !== undefined && needed().length > 0) {
    means.say(
      `Fetching ${packagesOf(needed())} with apt-get for this folder only, because only root may install them.`,
    );
    await unpack(apt, needed(), means).catch((error) => {
      if (!(error instanceof Problem)) throw error;
    });
  }
  if (missing().length === 0) return;
  const type = `On Debian type: sudo apt-get install -y ${missing()
    .map((tool) => tool.package)
    .join(' ')}`;
  const programs = needed().map(({ program }) => program);
  if (programs.length > 0) throw new Problem(`The tests need ${programs.join(', ')}. ${type}`);
  means.say(
    `Skipping tests that need ${missing()
      .map(({ program }) => program)
      .join(', ')}. ${type}`,
  );
}

/** @param {typeof TOOLS} tools */
function packagesOf(tools) {
  return tools.map((tool) => tool.package).join(', ');
}

/**
 * @param {string} apt
 * @param {typeof TOOLS} tools
 * @param {{ env: NodeJS.ProcessEnv, run: import('./redis-provision.mjs').Run, packagesDir: string }} means
 */
async function unpack(apt, tools, means) {
  for (const tool of tools) {
    const wanted = { packages: [tool.package], programs: [tool.program], needs: /^lib/ };
    await aptUnpack(apt, wanted, join(means.packagesDir, tool.package), means);
  }
}
