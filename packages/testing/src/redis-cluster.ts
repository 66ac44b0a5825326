import type { RedisNode } from '@comfy-fleet/config';
import { closeAll, orCloseAll, startAll, until } from './lifecycle.js';
import { askRedis, type Certificates, type RedisServer, startRedisServer } from './redis-server.js';

/** Three primaries that share the slots, each with a replica if requested. */
export interface RedisCluster {
  readonly nodes: readonly RedisNode[];
  /** The primaries come first. */
  readonly servers: readonly RedisServer[];
  /** The current primary of the key's slot, in the newest view of the nodes. */
  primaryOf(key: string): Promise<RedisServer>;
  /** Promotes the replica of the key's primary while the primary is alive. */
  failOver(key: string): Promise<void>;
  close(): Promise<void>;
}

export interface RedisClusterOptions {
  /** Replicas of each primary; none by default. */
  readonly replicas?: 0 | 1;
  readonly certificates?: Certificates;
  /** Further arguments for each server. */
  readonly args?: readonly string[];
}

const PRIMARIES = 3;
const SLOTS = 16_384;
/** In ms. */
const NODE_TIMEOUT = '1500';

interface Member {
  readonly id: string;
  readonly port: number;
  readonly isPrimary: boolean;
  readonly of: string;
  readonly slots: readonly (readonly [number, number])[];
}

export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { replicas = 0, certificates, args = [] } = options;
  const own = ['--repl-diskless-sync-delay', '0', '--cluster-enabled', 'yes', '--cluster-node-timeout', NODE_TIMEOUT];
  const begin = () => startRedisServer({ args: [...own, ...args], certificates });
  const servers = await startAll(Array.from({ length: PRIMARIES * (1 + replicas) }, begin));
  return orCloseAll(servers, () => join(servers, { replicas, certificates }));
}

/** Joins independent servers to a Cluster. */
async function join(
  servers: readonly RedisServer[],
  { replicas, certificates }: { readonly replicas: number; readonly certificates: Certificates | undefined },
): Promise<RedisCluster> {
  const ask = ({ port }: { readonly port: number }, line: string) =>
    askRedis({ port, certificates }, `CLUSTER ${line}`);
  const members = async (): Promise<Member[]> => {
    const views = await Promise.all(servers.map((server) => ask(server, 'NODES')));
    return parseMembers(views.sort((a, b) => epochOf(b) - epochOf(a))[0] ?? '');
  };
  const [first] = servers as [RedisServer];
  for (const [n, server] of servers.entries()) {
    if (n < PRIMARIES) {
      const [from, to] = [Math.floor((n * SLOTS) / PRIMARIES), Math.floor(((n + 1) * SLOTS) / PRIMARIES) - 1];
      await ask(server, `ADDSLOTSRANGE ${from} ${to}`);
    }
    await ask(server, `SET-CONFIG-EPOCH ${n + 1}`);
    if (n > 0) await ask(server, `MEET 127.0.0.1 ${first.port}`);
  }
  const allAre = (sentence: string, isSo: (server: RedisServer) => Promise<boolean>) =>
    until(sentence, async () => (await Promise.all(servers.map(isSo))).every(Boolean), {
      withinMs: 60_000,
      everyMs: 50,
    });
  await allAre('all know each other', async (server) =>
    (await ask(server, 'INFO')).includes(`known_nodes:${servers.length}`),
  );
  for (const [n, server] of servers.entries()) {
    if (n < PRIMARIES) continue;
    const id = (await ask(servers[n - PRIMARIES] as RedisServer, 'MYID')).split('\r\n')[1];
    await until('it follows', async () => (await ask(server, `REPLICATE ${id}`)).startsWith('+OK'));
  }
  await allAre('the Cluster is up', async (server) => {
    const seen = parseMembers(await ask(server, 'NODES'));
    return (
      (await ask(server, 'INFO')).includes('cluster_state:ok') &&
      seen.filter(({ isPrimary }) => !isPrimary).length === PRIMARIES * replicas
    );
  });
  const serverAt = (port: number): RedisServer => {
    const server = servers.find((one) => one.port === port);
    if (server === undefined) throw new Error(`no server listens on ${port}`);
    return server;
  };
  const holding = async (key: string) => {
    const answers = await Promise.all(servers.map((server) => ask(server, `KEYSLOT ${key}`)));
    const slot = Number(answers.find((answer) => answer.startsWith(':'))?.slice(1));
    const all = await members();
    const primary = all.find(
      ({ isPrimary, slots }) => isPrimary && slots.some(([from, to]) => from <= slot && slot <= to),
    );
    return { primary, replica: all.find(({ of }) => of === primary?.id) };
  };
  const primaryOf = async (key: string) => {
    const { primary } = await holding(key);
    if (primary === undefined) throw new Error(`nobody has the slot of ${key}`);
    return serverAt(primary.port);
  };
  return {
    nodes: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    servers,
    primaryOf,
    failOver: async (key) => {
      const before = await primaryOf(key);
      const { replica } = await holding(key);
      if (replica === undefined) throw new Error('it has no replica');
      await ask(replica, 'FAILOVER');
      await until('the replica is the primary', async () => (await primaryOf(key)) !== before);
    },
    close: () => closeAll(servers),
  };
}

/** `CLUSTER NODES`: id, address, flags, primary's id, ping, pong, epoch, link, slots. */
function parseMembers(answer: string): Member[] {
  return answer.split('\n').flatMap((line) => {
    const [id = '', address = '', flags = '', of = '', , , , , ...slots] = line.trim().split(' ');
    const port = Number(/:(\d+)@/.exec(address)?.[1]);
    if (!Number.isInteger(port)) return [];
    const ranges = slots
      .filter((range) => /^\d+(-\d+)?$/.test(range))
      .map((range) => {
        const [from, to = from] = range.split('-').map(Number);
        return [from as number, to as number] as const;
      });
    return [{ id, port, isPrimary: flags.includes('master'), of, slots: ranges }];
  });
}

/** The age of a view: its highest epoch. */
function epochOf(answer: string): number {
  return Math.max(0, ...answer.split('\n').map((line) => Number(line.split(' ')[6]) || 0));
}
