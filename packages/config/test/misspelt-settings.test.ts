import { expect, it } from 'vitest';
import { misspeltSettings } from '../src/index.js';

it('names the setting that a misspelt variable was probably meant to be', () => {
  expect(misspeltSettings({ REDIS_ULR: 'x', KEY_JOB_WAITING: '5', REDIS_URL: 'y' })).toEqual([
    'REDIS_ULR is not a setting and has no effect; did you mean REDIS_URL?',
    'KEY_JOB_WAITING is not a setting and has no effect; did you mean KEY_JOBS_WAITING?',
  ]);
});

it('is silent about settings, secrets in files and the variables of other programs', () => {
  const others = { PATH: 'x', HOME: 'x', HOSTNAME: 'x', NODE_ENV: 'x', TZ: 'x', DOCKER_HOST: 'x', PWD: 'x' };
  const ours = { PORT: '1', HOST: 'x', WEBHOOK_SECRETS_FILE: 'x', SIMULATOR_PORT: '1', CONFIG_OVERRIDES: '{}' };
  expect(misspeltSettings({ ...others, ...ours })).toEqual([]);
});
