import type { RedisSettings } from '@comfy-fleet/config';
import {
  type Certificates,
  makeCertificates,
  type RedisCluster,
  type RedisSentinels,
  startRedisCluster,
  startRedisSentinels,
  startRedisServer,
} from '@comfy-fleet/testing';

/** Registers a cleanup function: `onTestFinished`, or a function that runs it after the last test of the file. */
export type AtEnd = (end: () => Promise<void>) => void;

/** How to connect to a Redis that was started for a test. */
type Place = Partial<RedisSettings> & { readonly url: string };

/** The permissions that docs/deploy.md names, for a user `fleet` whose password needs percent-encoding. */
const ACL_USER = ['on', '>s:cret/1', '~{*}:*', '&{*}:*', '+@all', '-@admin', '-@dangerous', '+info', '+cluster'];
const AS_USER = `fleet:${encodeURIComponent('s:cret/1')}@`;
const user = ['--user', 'fleet', ...ACL_USER];

async function certificates(atEnd: AtEnd): Promise<Certificates> {
  const made = await makeCertificates();
  atEnd(() => made.remove());
  return made;
}

const tlsOf = ({ cert, key }: Certificates) => ({ ca: cert, cert, key });

export async function oneServerOverTls(atEnd: AtEnd): Promise<Place> {
  const made = await certificates(atEnd);
  const server = await startRedisServer({ certificates: made, args: user });
  atEnd(() => server.close());
  return { url: `rediss://${AS_USER}127.0.0.1:${server.port}`, tls: tlsOf(made) };
}

type SentinelOptions = Parameters<typeof startRedisSentinels>[0];

export async function sentinels(
  atEnd: AtEnd,
  options: SentinelOptions = {},
): Promise<Place & { readonly set: RedisSentinels }> {
  const set = await startRedisSentinels(options);
  atEnd(() => set.close());
  return { url: 'redis://unused', sentinel: { nodes: set.nodes, name: set.name, password: undefined }, set };
}

export async function sentinelsOverTls(atEnd: AtEnd): Promise<Place> {
  const made = await certificates(atEnd);
  const options = { certificates: made, password: 'secret', sentinelPassword: 'other' };
  const { sentinel, set } = await sentinels(atEnd, options);
  const { nodes, name } = sentinel ?? set;
  return { url: 'rediss://:secret@unused', sentinel: { nodes, name, password: 'other' }, tls: tlsOf(made) };
}

type ClusterOptions = Parameters<typeof startRedisCluster>[0];

export async function cluster(
  atEnd: AtEnd,
  options: ClusterOptions = {},
): Promise<Place & { readonly set: RedisCluster }> {
  const set = await startRedisCluster(options);
  atEnd(() => set.close());
  return { url: 'redis://unused', cluster: set.nodes, set };
}

export async function clusterOverTls(atEnd: AtEnd): Promise<Place> {
  const made = await certificates(atEnd);
  const { set } = await cluster(atEnd, { certificates: made, args: user });
  // One node is enough to start with.
  return { url: `rediss://${AS_USER}unused`, cluster: set.nodes.slice(0, 1), tls: tlsOf(made) };
}
