import type { RedisNode } from '@comfy-fleet/config';
import { Redis, type RedisOptions } from 'ioredis';

/** The answer to CLUSTER SLOTS: ranges of slots, each with its primary first and then its replicas. */
type SlotRanges = readonly (readonly [first: number, last: number, ...nodes: SlotNode[]])[];
type SlotNode = readonly [host: string | null, port: number, id: string, ...unknown[]];

interface View {
  /** The primary, according to the asked node. Undefined: the asked node is the primary and serves its slots. */
  readonly elsewhere: RedisNode | undefined;
  readonly nodes: readonly RedisNode[];
}

/** How many referrals from node to node are followed. */
const MOST_HOPS = 4;

export interface PrimaryFinderOptions {
  /** The nodes to ask at first; later, all nodes that these name are asked too. */
  readonly nodes: readonly RedisNode[];
  /** Any key in the slot that is looked for. */
  readonly key: string;
  /** Credentials, TLS and time limits. */
  readonly connection: RedisOptions;
}

/**
 * Returns a function that finds the primary of the key's slot. Only a node that itself claims to be the primary counts,
 * because the other nodes may have outdated information. The function rejects if no node claims it; concurrent calls
 * share one result.
 */
export function createPrimaryFinder({ nodes, key, connection }: PrimaryFinderOptions): () => Promise<RedisNode> {
  let known = nodes;
  let nextStart = 0;
  let finding: Promise<RedisNode> | undefined;

  const follow = async (first: RedisNode): Promise<RedisNode> => {
    let node = first;
    for (let hop = 0; hop < MOST_HOPS; hop++) {
      const { elsewhere, nodes: seen } = await askNode(node, key, connection);
      known = [...nodes, ...seen.filter((one) => !nodes.some((other) => isSame(one, other)))];
      if (elsewhere === undefined) return node;
      node = elsewhere;
    }
    throw new Error('the nodes disagree about the primary');
  };
  const find = async (): Promise<RedisNode> => {
    // Start with another node each time: one node may be cut off from the others.
    const start = nextStart++ % known.length;
    let last: unknown;
    for (const node of [...known.slice(start), ...known.slice(0, start)]) {
      try {
        return await follow(node);
      } catch (error) {
        last = error;
      }
    }
    throw new Error(`no node of the Redis Cluster serves the keys: ${(last as Error).message}`, { cause: last });
  };
  return () => {
    finding ??= find().finally(() => {
      finding = undefined;
    });
    return finding;
  };
}

async function askNode(node: RedisNode, key: string, connection: RedisOptions): Promise<View> {
  const options: RedisOptions = { ...connection, ...node, retryStrategy: () => null, enableReadyCheck: false };
  const redis = new Redis({ ...options, replyMapping: 'legacy' });
  let fault: Error | undefined;
  redis.on('error', (error: Error) => {
    fault = error;
  });
  try {
    const replies = await Promise.all([
      redis.cluster('KEYSLOT', key),
      redis.cluster('MYID'),
      redis.cluster('SLOTS'),
      redis.cluster('INFO'),
    ]);
    const [slot, id, ranges, info] = replies as unknown as [number, string, SlotRanges, string];
    const address = ([host, port]: SlotNode): RedisNode => ({ host: host || node.host, port });
    const range = ranges.find(([first, last]) => first <= slot && slot <= last);
    const primary = range?.[2];
    if (primary === undefined) throw new Error(`no node serves slot ${slot}`);
    const isHere = primary[2] === id;
    if (isHere && !info.includes('cluster_state:ok')) throw new Error('the Cluster is not ready');
    return {
      elsewhere: isHere ? undefined : address(primary),
      nodes: ranges.flatMap(([, , ...all]) => all.map(address)),
    };
  } catch (error) {
    throw fault ?? error;
  } finally {
    redis.disconnect();
  }
}

function isSame(a: RedisNode, b: RedisNode): boolean {
  return a.host === b.host && a.port === b.port;
}
