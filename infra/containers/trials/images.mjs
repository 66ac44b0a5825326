import { Problem } from '../../local/problem.mjs';

const APPS = ['api', 'worker', 'dispatcher', 'simulator', 'doctor'];

/**
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function buildImages(stack) {
  await stack.compose('--profile', 'doctor', 'build');
  const sizes = [];
  for (const app of APPS) {
    const bytes = Number(await stack.docker('image', 'inspect', '--format', '{{.Size}}', stack.image(app)));
    sizes.push(`${app} ${Math.round(bytes / 1e6)} MB`);
  }
  return sizes.join(', ');
}

/**
 * A simulator with nothing to write to has to say what it wants.
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function simulatorWithoutVolume(stack) {
  const run = ['run', '--rm', '--read-only', stack.image('simulator')];
  const failure = await stack.docker(...run).then(
    () => undefined,
    (error) => error,
  );
  const said = failure instanceof Problem ? failure.details.join(' ') : '';
  if (!/SIMULATOR_DIR/.test(said) || !/volume/.test(said)) throw new Problem(`it said: ${said || 'nothing'}`);
  return said;
}
