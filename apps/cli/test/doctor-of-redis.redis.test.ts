import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import {
  freePort,
  makeCertificates,
  startRedisCluster,
  startRedisSentinels,
  startRedisServer,
} from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openHealthyFleet, PASSWORD } from './healthy-fleet.js';

type HealthyFleet = Awaited<ReturnType<typeof openHealthyFleet>>;

let examine: HealthyFleet['examine'];
let close: HealthyFleet['close'];
beforeAll(async () => {
  ({ examine, close } = await openHealthyFleet());
});
afterAll(() => close());

/** Starts a Redis for this test and changes its configuration. */
const ownRedis = async (changes: Readonly<Record<string, string>> = {}, args: readonly string[] = []) => {
  const server = await startRedisServer({ args });
  onTestFinished(() => server.close());
  const socket = connect(server.port, '127.0.0.1');
  const lines = Object.entries(changes).map(([name, value]) => `CONFIG SET ${name} ${value}\r\n`);
  socket.end(lines.join(''));
  expect(await text(socket)).toBe('+OK\r\n'.repeat(lines.length));
  return server.url;
};

describe('the doctor on several Redis nodes', () => {
  it('checks the primary that the Sentinels name, and its replicas', async () => {
    const set = await startRedisSentinels({ replicas: 1 });
    onTestFinished(() => set.close());
    await set.untilReplicated(1);
    const REDIS_SENTINELS = set.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
    const changes = { REDIS_URL: 'redis://unused', REDIS_SENTINELS, REDIS_SENTINEL_NAME: set.name };
    const { bad, findings } = await examine({ ...changes, REDIS_WAIT_REPLICAS: '1' });
    expect(bad).toEqual([]);
    const found = (name: string) => findings.find(({ check }) => check === name)?.found;
    expect(found('redis')).toContain(`redis://${set.name} (of the Sentinels ${set.nodes[0]?.host}:`);
    expect(found('redis-replicas')).toBe('1 connected');
  });

  it('checks the node of a Cluster that has our keys', async () => {
    const set = await startRedisCluster();
    onTestFinished(() => set.close());
    const ours = await set.primaryOf('{comfy-fleet}');
    const socket = connect(ours.port, '127.0.0.1');
    socket.end('CONFIG SET maxmemory-policy allkeys-lru\r\n');
    expect(await text(socket)).toBe('+OK\r\n');
    const REDIS_CLUSTER = set.nodes.map(({ host, port }) => `${host}:${port}`).join(',');
    const { bad, findings } = await examine({ REDIS_URL: 'redis://unused', REDIS_CLUSTER });
    expect(bad).toMatchObject([{ check: 'redis-eviction' }]);
    expect(findings.find(({ check }) => check === 'redis')?.found).toMatch(/\(a Cluster\) \(cluster\)$/);
  });
});

describe('the doctor on a broken Redis', () => {
  it('reports that Redis is down', async () => {
    const port = await freePort();
    const { code, bad, findings } = await examine({ REDIS_URL: `redis://user:${PASSWORD}@127.0.0.1:${port}` });
    expect([code, bad]).toEqual([
      1,
      [
        {
          check: 'redis',
          level: 'fail',
          found: `nothing answers at redis://127.0.0.1:${port} (ECONNREFUSED)`,
          mend: 'start Redis there (npm start starts its own), or set REDIS_URL to its address',
        },
      ],
    ]);
    expect(findings.map(({ check }) => check)).toContain('storage');
  });

  it('reports a wrong password for Redis', async () => {
    const url = await ownRedis({}, ['--requirepass', 'another']);
    const own = url.replace('redis://', `redis://default:${PASSWORD}@`);
    for (const REDIS_URL of [url, own]) {
      const { bad } = await examine({ REDIS_URL });
      expect(bad).toMatchObject([
        { check: 'redis', found: expect.stringMatching(/rejects our credentials .*(NOAUTH|WRONGPASS)/) },
      ]);
      expect(bad[0]?.mend).toMatch(/^put user and password into REDIS_URL, redis:\/\/user:password@/);
    }
  });

  it('reports missing permissions of the Redis user, and none with the permissions in docs/deploy.md', async () => {
    const guide = await readFile(fileURLToPath(new URL('../../../docs/deploy.md', import.meta.url)), 'utf8');
    const rules = /ACL SETUSER fleet (.*)/.exec(guide)?.[1]?.replace('>password', `>${PASSWORD}`).split(' ') ?? [];
    const as = async (...user: string[]) => {
      const url = new URL(await ownRedis({}, ['--user', 'fleet', ...user]));
      return examine({ REDIS_URL: `redis://fleet:${PASSWORD}@${url.host}` });
    };
    expect((await as(...rules)).bad).toEqual([]);
    const { bad } = await as('on', `>${PASSWORD}`, '+@all');
    expect(bad).toMatchObject([{ check: 'redis', found: expect.stringMatching(/forbids .*NOPERM/) }]);
    expect(bad[0]?.mend).toContain('ACL SETUSER');
  });

  it('reports an untrusted certificate of Redis, and a REDIS_URL without TLS for a Redis with TLS', async () => {
    const certificates = await makeCertificates();
    onTestFinished(() => certificates.remove());
    const server = await startRedisServer({ certificates });
    onTestFinished(() => server.close());
    const at = (scheme: string) => ({ REDIS_URL: `${scheme}://127.0.0.1:${server.port}` });
    const strange = await examine(at('rediss'));
    expect(strange.bad).toMatchObject([{ found: expect.stringMatching(/certificate .* is not accepted \(.*CERT/) }]);
    expect(strange.bad[0]?.mend).toContain('REDIS_CA_FILE');
    const plain = await examine(at('redis'));
    expect(plain.bad).toMatchObject([{ check: 'redis', found: expect.stringContaining('breaks off') }]);
    expect(plain.bad[0]?.mend).toContain('rediss://');
  });

  it('reports that Redis may evict jobs, and that its memory is full', async () => {
    const url = await ownRedis({ maxmemory: '100kb', 'maxmemory-policy': 'allkeys-lru' });
    const { code, findings } = await examine({ REDIS_URL: url });
    expect(code).toBe(1);
    expect(findings.find(({ check }) => check === 'redis-eviction')).toEqual({
      check: 'redis-eviction',
      level: 'fail',
      found: 'maxmemory-policy is allkeys-lru: Redis deletes jobs when its memory is full',
      mend: 'redis-cli config set maxmemory-policy noeviction, and write `maxmemory-policy noeviction` into its configuration',
    });
    expect(findings.find(({ check }) => check === 'redis-memory')).toMatchObject({
      level: 'fail',
      mend: expect.stringContaining('raise maxmemory'),
    });
  });

  it('reports that Redis has no append-only file', async () => {
    const { code, bad } = await examine({ REDIS_URL: await ownRedis({ appendonly: 'no' }) });
    expect([code, bad]).toEqual([
      1,
      [
        {
          check: 'redis-aof',
          level: 'fail',
          found: 'there is no append-only file: jobs are lost when Redis restarts',
          mend: 'redis-cli config set appendonly yes, and write `appendonly yes` into its configuration',
        },
      ],
    ]);
  });

  it('warns if Redis syncs its file every second, and fails if it never syncs', async () => {
    const second = await examine({ REDIS_URL: await ownRedis({ appendfsync: 'everysec' }) });
    const aof = ({ findings }: typeof second) => findings.find(({ check }) => check === 'redis-aof');
    expect([second.code, aof(second)?.level]).toEqual([0, 'warn']);
    const never = await examine({ REDIS_URL: await ownRedis({ appendfsync: 'no' }) });
    expect([never.code, aof(never)?.found]).toEqual([1, 'on, but appendfsync is no: a power cut loses jobs']);
    expect(aof(never)?.mend).toMatch(/^redis-cli config set appendfsync always/);
  });

  it('reports fewer replicas than REDIS_WAIT_REPLICAS', async () => {
    const { bad } = await examine({ REDIS_WAIT_REPLICAS: '1' });
    expect(bad).toMatchObject([
      { check: 'redis-replicas', mend: expect.stringContaining('lower REDIS_WAIT_REPLICAS') },
    ]);
  });
});
