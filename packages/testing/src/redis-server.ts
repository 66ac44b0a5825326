import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { generate } from 'selfsigned';
import { removeFolder } from './lifecycle.js';
import { onFreePort } from './ports.js';
import type { Exit } from './service.js';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Its data folder, with the append-only file. */
  readonly dir: string;
  /** Resolves when the current process ends, for whatever reason. */
  readonly exited: Promise<Exit>;
  /** Stops the process (SIGTERM by default), waits for it, and keeps the data folder for `restart`. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts the server again on the same port with its data. */
  restart(): Promise<void>;
  /** Kills the server, whatever it is doing, and removes its data folder. */
  close(): Promise<void>;
}

/** How much of its log is kept, in case it does not start. */
const MOST_SAID = 4000;

export interface RedisServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** More arguments for redis-server. */
  readonly args?: readonly string[];
  /** Lines of its configuration file, which it may rewrite; by default it has none. */
  readonly config?: readonly string[];
  /** With certificates it only speaks TLS, and requires client certificates. */
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
      // Its data is not needed any more, and a replica that has just copied its primary's data ignores SIGTERM.
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
  // As in `npm start` and the containers: a job's record stays in one piece.
  const compact = ['--hash-max-ziplist-value', '2048'];
  // A Redis that is paused in the middle of a script must not refuse everything because the script took longer than 5
  // s.
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

export interface RedisAddress {
  readonly port: number;
  readonly certificates?: Certificates | undefined;
  readonly password?: string | undefined;
}

/** Sends one line to a server on 127.0.0.1 and answers its response; empty when nothing listens. */
export async function askRedis({ port, certificates, password }: RedisAddress, line: string): Promise<string> {
  const { cert, key } = certificates ?? {};
  const at = { host: '127.0.0.1', port };
  const socket = certificates === undefined ? connectTcp(at) : connectTls({ ...at, ca: cert, cert, key });
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  try {
    // Closing our side makes it hang up after its answer.
    socket.end(`${password === undefined ? '' : `AUTH ${password}\r\n`}${line}\r\n`);
    await once(socket, 'close');
    return password === undefined ? answer : answer.replace('+OK\r\n', '');
  } catch {
    return '';
  } finally {
    socket.destroy();
  }
}

/** A certificate for 127.0.0.1 that is its own authority, as PEM files, for servers and clients. */
export interface Certificates {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
  /** Removes the files. */
  remove(): Promise<void>;
}

/** Creates a new one, which nobody else trusts. */
export async function makeCertificates(): Promise<Certificates> {
  const made = await generate([{ name: 'commonName', value: 'comfy-fleet test' }], {
    keyType: 'ec',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-certificates-'));
  const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  await Promise.all([writeFile(certFile, made.cert), writeFile(keyFile, made.private, { mode: 0o600 })]);
  const remove = () => rm(dir, { recursive: true, force: true });
  return { certFile, keyFile, cert: made.cert, key: made.private, remove };
}
