import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '@comfy-fleet/testing';
import { inRepository, startInstalled } from '../../local.js';

const SITE = inRepository('infra/nginx/comfy-fleet.conf');

/** nginx in front of the APIs, with the site configuration that operators get. */
export interface Nginx {
  readonly url: string;
  /** Reloads nginx without these APIs. Resolves when the new configuration is in effect. */
  leaveOut(names: readonly string[]): Promise<void>;
  /** The entries of its access log. */
  accesses(): Promise<readonly Access[]>;
  /** The warnings and errors in its error log. */
  errors(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface Access {
  /** `POST /generate` */
  readonly request: string;
  readonly status: number;
  /** The statuses of the APIs that nginx asked, one after the other. */
  readonly upstreamStatuses: readonly string[];
}

export interface NginxOptions {
  readonly dir: string;
  readonly port: number;
  readonly statusPort: number;
  readonly apis: readonly { readonly name: string; readonly port: number }[];
}

/** Starts nginx. Rejects if it is not installed or does not start. */
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
  const current = () => until('nginx has loaded its configuration', isCurrent, { everyMs: 20 });
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

/** How nginx is configured in a run. */
export interface NginxRun {
  readonly dir: string;
  /** The port for requests. */
  readonly port: number;
  /** A port that answers the generation of the loaded configuration. */
  readonly statusPort: number;
  readonly generation: number;
  readonly apis: readonly { readonly port: number; readonly down: boolean }[];
}

const SERVER_LINE = /^( *)server 127\.0\.0\.1:\d+( [^;]*);\n/gm;
const LISTEN_LINE = /^( *)listen 80( [^;]*);$/m;
const LOG_LINE = /^( *)access_log \S+ comfy_fleet;$/m;

/** The site configuration with the ports of the run. Throws if the site does not have the expected lines. */
export function siteOf(site: string, { dir, port, apis }: Pick<NginxRun, 'dir' | 'port' | 'apis'>): string {
  const [first] = [...site.matchAll(SERVER_LINE)];
  if (first === undefined || !LISTEN_LINE.test(site) || !LOG_LINE.test(site))
    throw new Error('the nginx example has other lines than expected');
  const [, indent = '', options = ''] = first;
  const lines = apis.map((api) => `${indent}server 127.0.0.1:${api.port}${options}${api.down ? ' down' : ''};\n`);
  const logs = [`${dir}/nginx-site.log comfy_fleet`, `${dir}/nginx-access.log run`];
  const rest = site
    .replace(LISTEN_LINE, `$1listen 127.0.0.1:${port}$2;`)
    .replace(LOG_LINE, logs.map((log) => `$1access_log ${log};`).join('\n'));
  return (
    rest.slice(0, rest.indexOf(first[0])) +
    lines.join('') +
    rest.slice(rest.indexOf(first[0])).replaceAll(SERVER_LINE, '')
  );
}

/** A complete nginx.conf that lets nginx write only under `dir`. */
function nginxConf(site: string, run: NginxRun): string {
  const { dir, statusPort, generation } = run;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `    ${what}_temp_path ${dir}/nginx-${what};\n`,
  );
  return `daemon off;
${process.getuid?.() === 0 ? 'user root;\n' : ''}worker_processes 2;
worker_shutdown_timeout 90s;
pid ${dir}/nginx.pid;
error_log ${dir}/nginx-error.log notice;
events { worker_connections 1024; }
http {
    log_format run '$msec "$request_method $uri" $status $upstream_addr [$upstream_status] $request_time';
    access_log ${dir}/nginx-access.log run;
${temporary.join('')}    server {
        listen 127.0.0.1:${statusPort};
        access_log off;
        return 200 "${generation}";
    }
${siteOf(site, run)}}
`;
}
