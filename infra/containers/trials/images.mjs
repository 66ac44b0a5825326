import { join } from 'node:path';
import { Problem } from '../../local/problem.mjs';
import { until } from '../until.mjs';

/**
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function buildImage(stack) {
  await stack.compose('--profile', 'doctor', 'build');
  const bytes = Number(await stack.docker('image', 'inspect', '--format', '{{.Size}}', stack.image('api')));
  return `${Math.round(bytes / 1e6)} MB`;
}

/**
 * A simulator without a writable folder must report what it needs.
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function simulatorWithoutVolume(stack) {
  const run = ['run', '--rm', '--read-only', stack.image('simulator'), 'simulator'];
  const failure = await stack.docker(...run).then(
    () => undefined,
    (error) => error,
  );
  const said = failure instanceof Problem ? failure.details.join(' ') : '';
  if (!/SIMULATOR_DIR/.test(said) || !/volume/.test(said)) throw new Problem(`it printed: ${said || 'nothing'}`);
  return said;
}

/**
 * Runs a second fleet in one container, with the Redis and the simulator of Compose.
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function allInOne(stack) {
  const name = `${stack.image('api')}-all`;
  const settings = { ALLOW_ANONYMOUS: '1', KEY_PREFIX: '{all}', COMFYUI_URLS: 'http://comfyui:8188' };
  const secret = [
    '--volume',
    `${join(stack.secrets, 'redis_url')}:/redis_url:ro`,
    '--env',
    'REDIS_URL_FILE=/redis_url',
  ];
  const env = Object.entries(settings).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  const network = ['--network', stack.networkOf('data')];
  await stack.docker('create', '--name', name, ...network, ...secret, ...env, stack.image('api'), 'all');
  try {
    await stack.docker('network', 'connect', stack.networkOf('gpu'), name);
    await stack.docker('start', name);
    const inspect = async (/** @type {string} */ format) =>
      (await stack.docker('inspect', '--format', format, name)).trim();
    await until('the container is healthy', async () =>
      (await inspect('{{.State.Health.Status}}')) === 'healthy' ? true : undefined,
    );
    const generate = ['generate', 'a fox', '--lod', 'sketch', '--output', '/tmp/fox.png'];
    await stack.docker('exec', name, 'node', 'main.mjs', ...generate);
    await stack.docker('stop', '--time', '90', name);
    const code = await inspect('{{.State.ExitCode}}');
    if (code !== '0') throw new Problem(`it ended with ${code}`, (await stack.docker('logs', name)).split('\n'));
    return 'healthy, made a picture with its own CLI, exit code 0';
  } finally {
    await stack.docker('rm', '--force', '--volumes', name);
  }
}
