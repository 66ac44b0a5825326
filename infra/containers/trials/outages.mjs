import { Problem } from '../../local/problem.mjs';
import { SERVICES } from '../stack.mjs';

const JOBS = 12;

/**
 * Orders enough jobs to be still running during an outage.
 * @param {import('../api.mjs').Api} api
 * @returns {Promise<string[]>} their ids
 */
async function orderMany(api) {
  const ids = [];
  for (let seed = 0; seed < JOBS; seed += 1) {
    ids.push((await api.order('/generate', { prompt: 'a fox', lod: 'sketch', seed })).id);
  }
  return ids;
}

/**
 * @param {import('../api.mjs').Api} api
 * @param {readonly string[]} ids
 */
async function allSucceed(api, ids) {
  for (const id of ids) await api.picture(await api.succeeded(id));
}

/**
 * @param {import('../stack.mjs').Stack} stack
 * @param {import('../api.mjs').Api} api
 * @returns {Promise<string>}
 */
export async function restart(stack, api) {
  const ids = await orderMany(api);
  await stack.compose('restart', 'api', 'worker', 'dispatcher', 'simulator');
  const seconds = await stack.up();
  await allSucceed(api, ids);
  return `${ids.length} earlier jobs succeeded; healthy after ${seconds.toFixed(1)} s`;
}

/**
 * Kills the first process of each service in turn, like a crash. `docker kill` does not fit, because Docker does not restart
 * containers that were stopped by command.
 * @param {import('../stack.mjs').Stack} stack
 * @param {import('../api.mjs').Api} api
 * @returns {Promise<string>}
 */
export async function sigkill(stack, api) {
  const ids = await orderMany(api);
  for (const service of SERVICES) {
    const [restarts, pid] = (await stack.inspect(service, '{{.RestartCount}} {{.State.Pid}}')).split(' ');
    const kill = ['--user', '0', '--entrypoint', 'sh', stack.image('api'), '-c', `kill -9 ${pid}`];
    await stack.docker('run', '--rm', '--privileged', '--pid', 'host', ...kill);
    await stack.isBack(service, Number(restarts));
  }
  await allSucceed(api, ids);
  return `${SERVICES.join(', ')}: each was restarted; ${ids.length} earlier jobs succeeded`;
}

/**
 * @param {import('../stack.mjs').Stack} stack
 * @param {import('../api.mjs').Api} api
 * @returns {Promise<string>}
 */
export async function downAndUp(stack, api) {
  const done = await api.succeeded((await api.order('/generate', { prompt: 'an owl', lod: 'sketch' })).id);
  const ids = await orderMany(api);
  await stack.compose('down');
  await stack.up();
  await api.picture(await api.succeeded(done.id));
  await allSucceed(api, ids);
  return `the earlier picture still exists, ${ids.length} waiting jobs succeeded`;
}

/**
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function stop(stack) {
  await stack.compose('stop');
  const codes = [];
  for (const service of SERVICES) codes.push(`${service} ${await stack.inspect(service, '{{.State.ExitCode}}')}`);
  if (codes.some((each) => !each.endsWith(' 0'))) throw new Problem(codes.join(', '));
  return codes.join(', ');
}
