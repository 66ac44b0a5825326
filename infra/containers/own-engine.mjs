import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Problem } from '../local/problem.mjs';
import { ended, ok } from './shell.mjs';
import { until } from './until.mjs';

/** Docker enables forwarding and leaves it enabled. */
const SYSCTLS = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'];

/**
 * Starts a Docker engine with its own folder for images and containers, and its own socket. Requires root.
 * @param {string} dataFolder kept after the end, so that the next run can reuse what was built
 * @param {AbortSignal} signal
 * @returns {Promise<import('./engine.mjs').Engine>}
 */
export async function startOwnEngine(dataFolder, signal) {
  mkdirSync(dataFolder, { recursive: true });
  // A short path, because the path of a socket can have at most 108 characters.
  const run = mkdtempSync(join(tmpdir(), 'comfy-fleet-docker-'));
  const network = await recordNetwork();
  const log = join(run, 'log');
  const host = `unix://${join(run, 'docker.sock')}`;
  const args = ['--data-root', dataFolder, '--exec-root', join(run, 'exec')];
  const out = openSync(log, 'a');
  const daemon = spawn('dockerd', [...args, '--host', host, '--pidfile', join(run, 'pid')], {
    stdio: ['ignore', out, out],
    detached: true,
  });
  const exited = once(daemon, 'exit').catch(() => undefined);
  const lines = () => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15);

  const stop = async () => {
    if (daemon.exitCode === null && daemon.signalCode === null && daemon.kill('SIGTERM')) await exited;
    await network.restore();
    rmSync(run, { recursive: true, force: true });
  };

  const env = { ...process.env, DOCKER_HOST: host, DOCKER_CONTEXT: undefined };
  try {
    await until(
      'the Docker engine answers',
      async () => {
        if (daemon.exitCode !== null) return 'ended';
        const { code } = await ended('docker', ['version'], { env, withinMs: 10_000 });
        return code === 0 ? 'answers' : undefined;
      },
      { signal },
    );
    if (daemon.exitCode !== null) throw new Problem(`dockerd ended with ${daemon.exitCode}. Its last lines:`, lines());
  } catch (error) {
    await stop();
    throw error;
  }
  return { env, isOwn: true, stop };
}

/**
 * Records the network settings of this machine that a Docker engine changes.
 * @returns {Promise<{ restore(): Promise<void> }>} call `restore` after the engine and its containers have ended
 */
async function recordNetwork() {
  const sysctls = new Map();
  for (const path of SYSCTLS) sysctls.set(path, await readFile(path, 'utf8').catch(() => undefined));
  const hadBridge = 'docker0' in networkInterfaces();
  const tables = await nftTables();
  const rules = new Map();
  for (const family of ['iptables', 'ip6tables']) rules.set(family, await saved(family));

  return {
    async restore() {
      for (const [path, value] of sysctls) if (value !== undefined) await writeFile(path, value);
      if (!hadBridge) await ended('ip', ['link', 'delete', 'docker0']);
      for (const [family, text] of rules) {
        if (text !== '') await ok(`${family}-restore`, [], { input: text });
      }
      for (const table of await nftTables()) {
        if (!tables.includes(table)) await ok('nft', ['delete', 'table', ...table.split(' ')]);
      }
    },
  };
}

/** @returns {Promise<string[]>} such as `ip nat` */
async function nftTables() {
  const { stdout } = await ended('nft', ['list', 'tables']);
  return stdout.split('\n').flatMap((line) => /^table (\S+ \S+)/.exec(line)?.[1] ?? []);
}

/**
 * Returns the rules of a family; empty if there are none.
 * @param {string} family
 */
async function saved(family) {
  const { stdout } = await ended(`${family}-save`, []);
  return stdout;
}
