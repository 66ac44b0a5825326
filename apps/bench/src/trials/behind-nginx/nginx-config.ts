/** What a run of nginx needs around the site, and in place of the site's own addresses. */
export interface NginxRun {
  readonly dir: string;
  /** Where callers reach it. */
  readonly port: number;
  /** Where it tells which configuration it has: the number below. */
  readonly statusPort: number;
  readonly generation: number;
  readonly apis: readonly { readonly port: number; readonly down: boolean }[];
}

const SERVER_LINE = /^( *)server 127\.0\.0\.1:\d+( [^;]*);\n/gm;
const LISTEN_LINE = /^( *)listen 80;$/m;
const LOG_LINE = /^( *)access_log \S+ comfy_fleet;$/m;

/** The site for operators, with the run's ports in it. Throws when the site is no longer written as this expects it. */
export function siteOf(site: string, { dir, port, apis }: Pick<NginxRun, 'dir' | 'port' | 'apis'>): string {
  const [first] = [...site.matchAll(SERVER_LINE)];
  if (first === undefined || !LISTEN_LINE.test(site) || !LOG_LINE.test(site))
    throw new Error('the nginx example has other lines than expected');
  const [, indent = '', options = ''] = first;
  const lines = apis.map((api) => `${indent}server 127.0.0.1:${api.port}${options}${api.down ? ' down' : ''};\n`);
  const logs = [`${dir}/nginx-site.log comfy_fleet`, `${dir}/nginx-access.log run`];
  const rest = site
    .replace(LISTEN_LINE, `$1listen 127.0.0.1:${port};`)
    .replace(LOG_LINE, logs.map((log) => `$1access_log ${log};`).join('\n'));
  return (
    rest.slice(0, rest.indexOf(first[0])) +
    lines.join('') +
    rest.slice(rest.indexOf(first[0])).replaceAll(SERVER_LINE, '')
  );
}

/** A whole nginx.conf; all that it writes is under `dir`. */
export function nginxConf(site: string, run: NginxRun): string {
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
