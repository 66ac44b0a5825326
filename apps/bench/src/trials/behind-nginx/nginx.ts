import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '@comfy-fleet/testing';
import { startInstalled } from '../../lib/installed.js';
import { inRepository } from '../../lib/repository.js';
import { nginxConf } from './nginx-config.js';

const SITE = inRepository('infra/nginx/comfy-fleet.conf');

/** nginx in front of the apis, with the site that operators are given. */
export interface Nginx {
  readonly url: string;
  /** Tells it which apis take no requests, by name, and resolves when it goes by that. */
  leaveOut(names: readonly string[]): Promise<void>;
  /** What it says of each request. */
  accesses(): Promise<readonly Access[]>;
  /** What it found wrong. */
  errors(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface Access {
  /** `POST /generate` */
  readonly request: string;
  readonly status: number;
  /** Of the apis that were asked, one after the other. */
  readonly upstreamStatuses: readonly string[];
}

export interface NginxOptions {
  readonly dir: string;
  readonly port: number;
  readonly statusPort: number;
  readonly apis: readonly { readonly name: string; readonly port: number }[];
}

/** Rejects when nginx is not on this machine, or does not come up. */
export async function startNginx({ dir, port, statusPort, apis }: NginxOptions): Promise<Nginx> {
  const site = await readFile(SITE, 'utf8');
  const file = join(dir, 'nginx.conf');
  let generation = 0;
  const write = async (left: readonly string[]) => {
    generation += 1;
    const servers = apis.map(({ name, port }) => ({ port, down: left.includes(name) }));
    await writeFile(file, nginxConf(site, { dir, port, statusPort, generation, apis: servers }));
  };
  await write([]);
  const log = join(dir, 'nginx-error.log');
  const program = await startInstalled('nginx', ['-p', dir, '-c', file, '-e', log]);
  const isCurrent = async () => {
    const answer = await fetch(`http://127.0.0.1:${statusPort}`, { headers: { connection: 'close' } }).catch(
      () => undefined,
    );
    return (await answer?.text()) === `${generation}`;
  };
  const current = () => until('nginx has its configuration', isCurrent, { everyMs: 20 });
  const close = () => program.stop('SIGTERM');
  try {
    await current();
  } catch (error) {
    await close();
    throw new Error(`${String(error)}\n${program.output}${await readFile(log, 'utf8').catch(() => '')}`);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    leaveOut: async (names) => {
      await write(names);
      program.signal('SIGHUP');
      await current();
    },
    accesses: async () => (await readFile(join(dir, 'nginx-access.log'), 'utf8')).split('\n').flatMap(readAccess),
    errors: async () =>
      (await readFile(log, 'utf8')).split('\n').filter((line) => /\[(warn|error|crit|alert|emerg)\]/.test(line)),
    close,
  };
}

const ACCESS = /^[\d.]+ "([^"]*)" (\d+) .* \[([^\]]*)\] [\d.]+$/;

function readAccess(line: string): Access[] {
  const [, request = '', status, upstream = ''] = ACCESS.exec(line) ?? [];
  if (status === undefined) return [];
  return [{ request, status: Number(status), upstreamStatuses: upstream.split(/[ ,:]+/) }];
}
