import { expect, it } from 'vitest';
import { run } from './support/container.js';
import { ROOT } from './support/files.js';

it('deploy.mjs says so when the app is not built', async () => {
  const deploy = [`${ROOT}/infra/docker/deploy.mjs`, 'no-such-app', '/nowhere'];
  await expect(run(process.execPath, deploy)).rejects.toThrow('apps/no-such-app is not built');
});
