import { expect, it } from 'vitest';
import { commandEnvironment } from '../src/index.js';

it('gives a command everything of the environment but our settings, be they values or files', () => {
  const env = {
    PATH: '/usr/bin',
    DOCKER_HOST: 'unix:///run/docker.sock',
    REDIS_URL: 'redis://:secret@127.0.0.1',
    WEBHOOK_SECRETS_FILE: '/run/secrets/webhooks',
    API_KEYS_FILE: '/run/secrets/keys.json',
    EMPTY: undefined,
  };
  expect(commandEnvironment(env)).toEqual({ PATH: '/usr/bin', DOCKER_HOST: 'unix:///run/docker.sock' });
});
