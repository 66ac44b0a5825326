import type { RedisNode } from '@comfy-fleet/config';
import { Redis, type RedisOptions } from 'ioredis';

/** A node's answer: the ranges of slots, each with its primary first and then its replicas. */
type SlotRanges = readonly (readonly [first: number, last: number, ...nodes: SlotNode[]])[];
type SlotNode = readonly [host: string | null, port: number, id: string, ...unknown[]];

interface View {
  /** Undefined: this very node, and it serves its slots. */
  readonly elsewhere: RedisNode | undefined;
  readonly nodes: readonly RedisNode[];
}

/** Nodes asked one after the other because each named the next. */
const MOST_HOPS = 4;

export interface PrimaryFinderOptions {
  /** To be asked first; later all that these know of. */
  readonly nodes: readonly RedisNode[];
  /** Any key in the slot. */
  readonly key: string;
  /** Credentials, TLS and time limits. */
  readonly connection: RedisOptions;
}

/**
 * Finds the node of a Cluster that is the primary of a key's slot, and that says so itself: what others say may be old.
 * Rejects when none does at the moment. Several who ask at once share one answer.
 */
export function createPrimaryFinder({
  nodes,
  key,
  connection: asking,
}: PrimaryFinderOptions): () => Promise<RedisNode> {
  let known = nodes;
  let nextStart = 0;
  let finding: Promise<RedisNode> | undefined;

  const follow = async (first: RedisNode): Promise<RedisNode> => {
    let node = first;
    for (let hop = 0; hop < MOST_HOPS; hop++) {
      const { elsewhere, nodes: seen } = await askNode(node, key, asking);
      known = [...nodes, ...seen.filter((one) => !nodes.some((other) => isSame(one, other)))];
      if (elsewhere === undefined) return node;
      node = elsewhere;
    }
    throw new Error('its nodes do not agree');
  };
  const find = async (): Promise<RedisNode> => {
    // Not always the same one first: it may be cut off from the others.
    const start = nextStart++ % known.length;
    let last: unknown;
    for (const node of [...known.slice(start), ...known.slice(0, start)]) {
      try {
        return await follow(node);
      } catch (error) {
        last = error;
      }
    }
    throw new Error(`no node of the Redis Cluster has the keys: ${(last as Error).message}`, { cause: last });
  };
  return () => {
    finding ??= find().finally(() => {
      finding = undefined;
    });
    return finding;
  };
}

async function askNode(node: RedisNode, key: string, asking: RedisOptions): Promise<View> {
  const options: RedisOptions = { ...asking, ...node, retryStrategy: () => null, enableReadyCheck: false };
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
