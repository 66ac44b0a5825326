import { expect, it } from 'vitest';
import { readRunnerSettings, startsRedis, startsSimulator, webhooksToThisMachine } from '../settings.mjs';

const read = (env: NodeJS.ProcessEnv) => readRunnerSettings('/nowhere', env);

it('starts a Redis and a simulator unless settings name others', () => {
  expect([startsRedis(read({})), startsSimulator(read({}))]).toEqual([true, true]);
  expect([startsRedis(read({ REDIS_URL: ' ' })), startsSimulator(read({ COMFYUI_URLS: '' }))]).toEqual([true, true]);
});

it.each(['REDIS_URL', 'REDIS_SENTINELS', 'REDIS_CLUSTER', 'REDIS_URL_FILE'])(
  'starts no Redis, but a simulator, when %s names one',
  (name) => {
    const settings = read({ [name]: '127.0.0.1:1' });
    expect([startsRedis(settings), startsSimulator(settings)]).toEqual([false, true]);
  },
);

it.each(['COMFYUI_URLS', 'COMFYUI_INSTANCES_FILE'])('starts no simulator, but a Redis, when %s is set', (name) => {
  const settings = read({ [name]: 'http://127.0.0.1:1' });
  expect([startsRedis(settings), startsSimulator(settings)]).toEqual([true, false]);
});

it.each([
  [{}, { WEBHOOK_ALLOW: '127.0.0.0/8,localhost,::1' }],
  [{ HOST: 'localhost' }, { WEBHOOK_ALLOW: '127.0.0.0/8,localhost,::1' }],
  [{ WEBHOOK_ALLOW: 'hooks.internal' }, {}],
  [{ WEBHOOK_ALLOW: '' }, {}],
  [{ HOST: '0.0.0.0', ALLOW_ANONYMOUS: '1' }, {}],
  [{ API_KEYS_FILE: 'keys.json' }, {}],
  [{ API_KEYS_FILE: ' ' }, { WEBHOOK_ALLOW: '127.0.0.0/8,localhost,::1' }],
])(
  'with %j adds %j, so that webhooks to this machine are allowed only while one user without a key reaches the api',
  (env, added) => {
    expect(webhooksToThisMachine(env, read(env))).toEqual(added);
  },
);

it.each(['2gb', '512MB', '1073741824'])('takes %s as the memory of Redis', (memory) => {
  expect(read({ REDIS_MAXMEMORY: memory }).redisMaxmemory).toBe(memory);
});

it.each(['0', '2 gigabytes', '-1', 'half'])('refuses %s as the memory of Redis, and says what to write', (memory) => {
  expect(() => read({ REDIS_MAXMEMORY: memory })).toThrow(/REDIS_MAXMEMORY=.*such as 2gb/);
});
