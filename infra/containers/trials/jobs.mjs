import { Problem } from '../../local/problem.mjs';
import { until } from '../until.mjs';

const SKETCH = { prompt: 'a lighthouse in a storm, oil painting', lod: 'sketch', seed: 7 };
export const RECEIVER = 'receiver';

/**
 * @param {import('../api.mjs').Api} api
 * @returns {Promise<string>}
 */
export async function generate(api) {
  const job = await api.succeeded((await api.order('/generate', SKETCH)).id);
  const picture = await api.picture(job);
  return `a PNG of ${Math.round(picture.length / 1000)} kB`;
}

/**
 * Sends the picture of another job in a form.
 * @param {import('../api.mjs').Api} api
 * @returns {Promise<string>}
 */
export async function img2img(api) {
  const first = await api.succeeded((await api.order('/generate', SKETCH)).id);
  const form = new FormData();
  form.set('image', new Blob([await api.picture(first)], { type: 'image/png' }), 'picture.png');
  form.set('prompt', 'the same lighthouse at dawn');
  form.set('lod', 'sketch');
  const job = await api.succeeded((await api.order('/img2img', form)).id);
  const picture = await api.picture(job);
  return `a PNG of ${Math.round(picture.length / 1000)} kB`;
}

/**
 * Starts a receiver of webhooks in the network of the dispatcher; WEBHOOK_ALLOW must permit calls to it.
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<() => Promise<unknown>>} stops the receiver
 */
export async function startReceiver(stack) {
  const program = `require('node:http').createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    console.log(JSON.stringify({ id: request.headers['webhook-id'], signature: request.headers['webhook-signature'], body: JSON.parse(body) }));
    response.end();
  }).listen(4000)`;
  const name = `${stack.image('api')}-${RECEIVER}`;
  const run = ['run', '--detach', '--rm', '--init', '--name', name, '--network', stack.networkOf('default')];
  await stack.docker(...run, '--network-alias', RECEIVER, '--entrypoint', 'node', stack.image('api'), '-e', program);
  return () => stack.docker('rm', '--force', name);
}

/**
 * @param {import('../stack.mjs').Stack} stack
 * @param {import('../api.mjs').Api} api
 * @param {{ signed: boolean }} expected
 * @returns {Promise<string>}
 */
export async function webhook(stack, api, { signed }) {
  const { id } = await api.order('/generate', { ...SKETCH, webhook_url: `http://${RECEIVER}:4000/done` });
  await api.succeeded(id);
  const call = await until(`the webhook of ${id} arrives`, async () => {
    const lines = (await stack.docker('logs', `${stack.image('api')}-${RECEIVER}`)).split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line)).find(({ body }) => body.data.id === id);
  });
  if (call.body.type !== 'job.succeeded') throw new Problem(`its type is ${call.body.type}`);
  if (signed !== (call.signature !== undefined)) throw new Problem(`its signature is ${call.signature}`);
  return `${call.body.type}, ${signed ? 'signed' : 'unsigned'}`;
}

/**
 * After the jobs, ComfyUI's folders, which the worker shares, must be empty.
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function nothingLeftOver(stack) {
  const list = ['exec', '-T', 'simulator', 'find', '/data/comfyui/input', '/data/comfyui/output', '-type', 'f'];
  let left = '';
  await until('ComfyUI’s input and output folders are empty', async () => {
    left = (await stack.compose(...list)).trim();
    return left === '' ? true : undefined;
  }).catch((error) => {
    throw new Problem(error.message, left.split('\n'));
  });
  return 'no file in ComfyUI’s input and output folders';
}
