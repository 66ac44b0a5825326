import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PINNED_FILES, withoutDigests } from '../pins/apply-pins.mjs';
import { ok } from './shell.mjs';

/**
 * Copies the project's files, except those that git ignores (.env, .data, builds), into a folder, and creates the secrets there
 * as docs/deploy.md describes.
 * @param {string} root
 * @param {string} folder
 * @param {{ withDigests: boolean }} options whether the names of images keep their digests
 */
export async function copyProject(root, folder, { withDigests }) {
  rmSync(folder, { recursive: true, force: true });
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  for (const name of listed.toString().split('\0')) {
    if (name === '' || !existsSync(join(root, name))) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    copyFileSync(join(root, name), join(folder, name));
  }
  for (const file of withDigests ? [] : PINNED_FILES) {
    const path = join(folder, file);
    writeFileSync(path, withoutDigests(readFileSync(path, 'utf8')));
  }
  const secrets = join(folder, '.data/secrets');
  mkdirSync(secrets, { recursive: true, mode: 0o700 });
  writeFileSync(join(secrets, 'redis_url'), `redis://:${randomBytes(24).toString('hex')}@redis:6379\n`);
  writeFileSync(join(secrets, 'grafana_password'), `${randomBytes(18).toString('base64')}\n`);
}

/**
 * Creates a key as docs/deploy.md describes.
 * @param {string} root
 * @param {string} file
 * @param {string} id
 * @returns {Promise<string>} the key
 */
export async function createKey(root, file, id) {
  const args = [
    join(root, 'infra/local/cli.mjs'),
    'keys',
    'create',
    id,
    '--scopes',
    'jobs,admin',
    '--webhook-secret',
    'new',
    '--file',
    file,
  ];
  const printed = await ok(process.execPath, args, { cwd: root });
  await ok('chmod', ['644', file]);
  return /^cf_\S+/m.exec(printed)?.[0] ?? '';
}
