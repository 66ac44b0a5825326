import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onFreePort, startProgram } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import type { ApiStack } from './api-stack.js';
import { pin } from './pinned.js';

const SERVER = fileURLToPath(new URL('./bare-server.js', import.meta.url));

/** The bare server beside an API, on the same core and the same Redis; `answers` is by id, and `made` for POST. */
export async function startBare(
  scope: Scope,
  { redisUrl, prefix, dir }: ApiStack,
  { core, answers }: { readonly core: string | undefined; readonly answers: Readonly<Record<string, string>> },
): Promise<{ url: string; pid: number }> {
  const file = join(dir, 'answers.json');
  const entries = Object.entries(answers).map(([id, text]) => `${JSON.stringify(id)}:${text}`);
  await writeFile(file, `{${entries.join(',')}}`);
  const env = { NODE_ENV: 'production' };
  const log = join(dir, 'bare.log');
  return onFreePort(async (port) => {
    const url = `http://127.0.0.1:${port}`;
    const args = [SERVER, `${port}`, redisUrl, prefix, file];
    const server = startProgram(process.execPath, args, { env, log });
    await pin(scope, server, { core, readyUrl: `${url}/livez` });
    return { url, pid: server.pid };
  });
}
