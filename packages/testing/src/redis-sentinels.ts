import type { RedisNode } from '@comfy-fleet/config';
import { closeAll, orCloseAll, startAll, until } from './lifecycle.js';
import { askRedis, type Certificates, type RedisServer, startRedisServer } from './redis-server.js';

/** A primary, its replicas and three Sentinels that watch them. */
export interface RedisSentinels {
  /** Addresses of the Sentinels. */
  readonly nodes: readonly RedisNode[];
  /** The name of the primary. */
  readonly name: string;
  /** The first was the primary at the start. */
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];
  /** The server that the Sentinels currently consider the primary. */
  primary(): Promise<RedisServer>;
  /** Makes the Sentinels promote a replica while the primary is alive. */
  failOver(): Promise<void>;
  /** Resolves when this many replicas follow the primary. */
  untilReplicated(replicas: number): Promise<void>;
  close(): Promise<void>;
}

export interface RedisSentinelsOptions {
  /** Default 1. */
  readonly replicas?: number;
  /** Password of the servers. */
  readonly password?: string;
  /** Password of the Sentinels. */
  readonly sentinelPassword?: string;
  readonly certificates?: Certificates;
  /** Further arguments for the servers. */
  readonly args?: readonly string[];
}

const NAME = 'fleet';
const SENTINELS = 3;
const QUORUM = 2;
/** In ms. */
const LOOKING = 'INFO-PERIOD 500 PUBLISH-PERIOD 300 ASK-PERIOD 300';

export async function startRedisSentinels(options: RedisSentinelsOptions = {}): Promise<RedisSentinels> {
  const started: RedisServer[] = [];
  return orCloseAll(started, () => startInto(started, options));
}

async function startInto(started: RedisServer[], options: RedisSentinelsOptions): Promise<RedisSentinels> {
  const { replicas = 1, password, sentinelPassword, certificates, args = [] } = options;
  const secret = password === undefined ? [] : ['--requirepass', password, '--masterauth', password];
  const common = [...args, ...secret, '--repl-diskless-sync-delay', '0'];
  const begin = async (count: number, more: readonly string[], config?: readonly string[]) => {
    const each = { args: more, certificates, ...(config === undefined ? {} : { config }) };
    const servers = await startAll(Array.from({ length: count }, () => startRedisServer(each)));
    started.push(...servers);
    return servers;
  };
  const [first] = (await begin(1, common)) as [RedisServer];
  const following = ['--replicaof', '127.0.0.1', `${first.port}`];
  const servers = [first, ...(await begin(replicas, [...common, ...following]))];
  const watching = [
    `sentinel monitor ${NAME} 127.0.0.1 ${first.port} ${QUORUM}`,
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 4000`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${NAME} ${password}`]),
    ...(sentinelPassword === undefined ? [] : [`requirepass ${sentinelPassword}`]),
  ];
  const sentinels = await begin(SENTINELS, ['--sentinel'], watching);

  // By default they poll less often, and take 10 s to notice that a replica could be promoted.
  for (const { port } of sentinels) {
    await askRedis({ port, certificates, password: sentinelPassword }, `SENTINEL DEBUG ${LOOKING}`);
  }

  const askSentinel = async (line: string) => {
    for (const { port } of sentinels) {
      const answer = await askRedis({ port, certificates, password: sentinelPassword }, line);
      if (answer !== '') return answer;
    }
    return '';
  };
  const primary = async () => {
    const answer = await askSentinel(`SENTINEL GET-MASTER-ADDR-BY-NAME ${NAME}`);
    const server = servers.find(({ port }) => answer.includes(`\r\n${port}\r\n`));
    if (server === undefined) throw new Error(`the Sentinels know no primary: ${answer}`);
    return server;
  };
  const replicasOnline = async () => {
    const { port } = await primary();
    const info = await askRedis({ port, certificates, password }, 'INFO replication');
    return [...info.matchAll(/state=online/g)].length;
  };
  await until('the replicas follow', async () => (await replicasOnline()) === replicas);
  await until(
    'the Sentinels know each other and the replicas',
    async () => {
      for (const { port } of sentinels) {
        const info = await askRedis({ port, certificates, password: sentinelPassword }, 'INFO sentinel');
        if (!info.includes(`status=ok,address=127.0.0.1:${first.port},slaves=${replicas},sentinels=${SENTINELS}`)) {
          return false;
        }
      }
      return true;
    },
    { everyMs: 50 },
  );
  return {
    nodes: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    name: NAME,
    servers,
    sentinels,
    primary,
    failOver: async () => {
      const before = await primary();
      await until('the Sentinels agree to it', async () =>
        (await askSentinel(`SENTINEL FAILOVER ${NAME}`)).startsWith('+OK'),
      );
      await until('another is the primary', async () => (await primary()) !== before);
    },
    untilReplicated: async (count) => {
      await until('the replicas follow', async () => (await replicasOnline()) >= count);
    },
    close: () => closeAll(started),
  };
}
