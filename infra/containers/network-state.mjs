import { readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { ended, ok } from './shell.mjs';

/** Docker switches forwarding on, and leaves it on. */
const SYSCTLS = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'];

/**
 * What a Docker engine changes in this machine's network, as it is now.
 * @returns {Promise<{ putBack(): Promise<void> }>} `putBack` makes it so again; engine and containers must be gone by then
 */
export async function rememberNetwork() {
  const sysctls = new Map();
  for (const path of SYSCTLS) sysctls.set(path, await readFile(path, 'utf8').catch(() => undefined));
  const hadBridge = 'docker0' in networkInterfaces();
  const tables = await nftTables();
  const rules = new Map();
  for (const family of ['iptables', 'ip6tables']) rules.set(family, await saved(family));

  return {
    async putBack() {
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
 * The rules, empty when there are none.
 * @param {string} family
 */
async function saved(family) {
  const { stdout } = await ended(`${family}-save`, []);
  return stdout;
}
