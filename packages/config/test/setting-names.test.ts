import { expect, it } from 'vitest';
import { commandEnvironment, misspeltSettings } from '../src/index.js';

it('suggests the setting that a misspelt variable probably means', () => {
  expect(misspeltSettings({ REDIS_ULR: 'x', KEY_JOB_WAITING: '5', REDIS_URL: 'y' })).toEqual([
    'REDIS_ULR is not a setting and has no effect; did you mean REDIS_URL?',
    'KEY_JOB_WAITING is not a setting and has no effect; did you mean KEY_JOBS_WAITING?',
  ]);
});

it('ignores settings, secrets in files, and variables of other programs', () => {
  const others = { PATH: 'x', HOME: 'x', HOSTNAME: 'x', NODE_ENV: 'x', TZ: 'x', DOCKER_HOST: 'x', PWD: 'x' };
  const ours = { PORT: '1', HOST: 'x', WEBHOOK_SECRETS_FILE: 'x', SIMULATOR_PORT: '1', CONFIG_OVERRIDES: '{}' };
  expect(misspeltSettings({ ...others, ...ours })).toEqual([]);
});

it('gives a command the environment without our settings, whether values or files', () => {
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
