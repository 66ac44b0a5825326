import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Certificates } from './certificates.js';
import { onFreePort } from './ports.js';
import { removeFolder } from './remove-folder.js';
import type { Exit } from './service.js';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Its data folder, with the append-only file. */
  readonly dir: string;
  /** Resolves when the process that runs now ends, for whatever reason. */
  readonly exited: Promise<Exit>;
  /** Ends the process (SIGTERM unless told otherwise), waits for it, keeps the data folder so that `restart` finds it. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts the server again on the same port with the data it left. */
  restart(): Promise<void>;
  /** Kills the server, whatever it is doing, and removes its data folder. */
  close(): Promise<void>;
}

/** Characters of its log that are kept, for the case that it does not start. */
const MOST_SAID = 4000;

export interface RedisServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** More arguments for redis-server. */
  readonly args?: readonly string[];
  /** Lines of its configuration file, which it may rewrite; without them it has none. */
  readonly config?: readonly string[];
  /** With them it speaks TLS only, and asks clients for a certificate. */
  readonly certificates?: Certificates | undefined;
}

/** Starts a real redis-server, as in production (AOF, `appendfsync always`), on 127.0.0.1. */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  return options.port === undefined ? onFreePort((port) => startOn(port, options)) : startOn(options.port, options);
}

async function startOn(port: number, { args = [], config, certificates }: RedisServerOptions): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-redis-'));
  const file = join(dir, 'redis.conf');
  if (config !== undefined) await writeFile(file, `${config.join('\n')}\n`);
  const start = () => launch(dir, [...(config === undefined ? [] : [file]), ...listening(port, certificates), ...args]);
  let child = await start().catch(async (error: unknown) => {
    await removeFolder(dir);
    throw error;
  });
  let exited = exitOf(child);
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  };
  return {
    url: `${certificates === undefined ? 'redis' : 'rediss'}://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid ?? 0;
    },
    dir,
    get exited() {
      return exited;
    },
    stop,
    restart: async () => {
      child = await start();
      exited = exitOf(child);
    },
    close: async () => {
      // Nobody wants its data any more; a replica that has just copied its primary's would not end when it is asked to.
      await stop('SIGKILL');
      await removeFolder(dir);
    },
  };
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
}

/** Arguments that make it listen on 127.0.0.1. */
function listening(port: number, certificates: Certificates | undefined): string[] {
  const args = ['--bind', '127.0.0.1'];
  if (certificates === undefined) return [...args, '--port', `${port}`];
  const { certFile, keyFile } = certificates;
  const tls = ['--port', '0', '--tls-port', `${port}`, '--tls-replication', 'yes', '--tls-cluster', 'yes'];
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
  return [...args, ...tls, ...files];
}

async function launch(dir: string, more: readonly string[]): Promise<ChildProcess> {
  const isSentinel = more.includes('--sentinel');
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory-policy', 'noeviction'];
  // As `npm start` and the containers have it: a job's record stays in one piece.
  const compact = ['--hash-max-ziplist-value', '2048'];
  // One that stands still in the middle of a script is not to refuse everything because that takes longer than 5 s.
  const patient = ['--lua-time-limit', '0'];
  const bounded = more.includes('--maxmemory') ? [] : ['--maxmemory', '2gb'];
  const args = [...more, '--dir', dir, ...(isSentinel ? [] : [...durable, ...compact, ...bounded, ...patient])];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`redis-server ended with code ${code}:\n${said}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-MOST_SAID);
      if (/Ready to accept connections|Sentinel ID is/.test(said)) resolve();
    });
  });
  return child;
}
