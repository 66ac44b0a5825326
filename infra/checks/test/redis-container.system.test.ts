import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from './support/container.js';
import { ROOT } from './support/files.js';

const START = join(ROOT, 'infra/helm/files/start-redis.sh');
const CHECK = join(ROOT, 'infra/helm/files/check-redis.sh');

let dir: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-redis-container-'));
  env = { PATH: process.env.PATH, REDIS_URL_FILE: join(dir, 'redis_url') };
});

afterEach(() => rm(dir, { recursive: true, force: true }));

const secret = (text: string) => writeFile(join(dir, 'redis_url'), `${text}\n`);

it('the Redis of Compose and Kubernetes has the password of the secret, is durable, evicts nothing and receives signals', async () => {
  await secret('redis://:Abc123_-x@redis:6379');
  const port = `${await freePort()}`;
  const server = spawn('sh', [START, '--port', port, '--bind', '127.0.0.1', '--dir', dir], { env, stdio: 'ignore' });
  const exited = once(server, 'exit');
  try {
    await until('its health check passes', () =>
      run('sh', [CHECK, '-p', port], { env }).then(
        () => true,
        () => false,
      ),
    );
    const cli = (auth: object, ...args: string[]) =>
      run('redis-cli', ['-p', port, ...args], { env: { ...env, ...auth } });
    expect(await cli({}, 'ping')).toContain('NOAUTH');
    const asked = ['config', 'get', 'appendonly', 'appendfsync', 'maxmemory-policy', 'save', 'hash-max-ziplist-value'];
    const answer = (await cli({ REDISCLI_AUTH: 'Abc123_-x' }, ...asked)).split('\n');
    const value = (name: string) => answer[answer.indexOf(name) + 1];
    expect(asked.slice(2).map(value)).toEqual(['yes', 'always', 'noeviction', '', '2048']);
  } finally {
    server.kill('SIGTERM');
  }
  expect(await exited).toEqual([0, null]);
});

it('its health check fails while no server answers', async () => {
  await secret('redis://:abc@redis:6379');
  await expect(run('sh', [CHECK, '-p', `${await freePort()}`], { env })).rejects.toThrow();
});

it.each(['redis://redis:6379', 'redis://:a b@redis:6379', 'redis://:@redis:6379'])(
  'it does not start with the secret %s, which has no valid password',
  async (url) => {
    await secret(url);
    const failed = new Promise<string>((resolve) =>
      execFile('sh', [START], { env }, (_error, _out, err) => resolve(err)),
    );
    expect(await failed).toContain('redis_url: ');
  },
);
