import { aptInstall, findApt } from './apt.mjs';
import { Problem } from './problem.mjs';
import { findProgram } from './redis-binary.mjs';

/** What the tests run besides redis-server: a program, and the Debian package that has it. */
const TOOLS = [
  { program: 'docker-compose', package: 'docker-compose' },
  { program: 'kubectl', package: 'kubernetes-client' },
  { program: 'promtool', package: 'promtool' },
];

/**
 * Installs what is missing, with apt-get as root. Throws a Problem that names what is missing still: the tests that
 * need it will fail.
 * @param {{
 *   env: NodeJS.ProcessEnv, run: import('./redis-provision.mjs').Run, say: (text: string) => void,
 *   platform?: NodeJS.Platform, isRoot?: boolean,
 * }} means
 */
export async function provideTestTools(means) {
  const missing = () => TOOLS.filter(({ program }) => findProgram(program, means.env) === undefined);
  const packages = missing().map((tool) => tool.package);
  if (packages.length === 0) return;
  const apt = findApt(means);
  const { isRoot = process.getuid?.() === 0 } = means;
  if (apt !== undefined && isRoot) {
    means.say(`Installing ${packages.join(', ')} with apt-get, for the tests.`);
    await aptInstall(apt, packages, means);
  }
  const programs = missing().map(({ program }) => program);
  if (programs.length === 0) return;
  throw new Problem(
    `The tests need ${programs.join(', ')}. On Debian type: sudo apt-get install -y ${packages.join(' ')}`,
  );
}
