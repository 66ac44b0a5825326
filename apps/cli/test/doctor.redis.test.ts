import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import {
  freePort,
  makeCertificates,
  type RedisServer,
  type Simulator,
  startRedisCluster,
  startRedisSentinels,
  startRedisServer,
  startSimulator,
} from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startOddComfyUi } from './odd-comfyui.js';
import { run } from './run.js';

const KEY = 'cf_a-key-that-nobody-may-see';
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const PASSWORD = 'a-password-that-nobody-may-see';

interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly mend?: string;
}

/** On a busy machine Redis may take longer to answer than the default of 800 ms. */
const PATIENT = '10000';

let dir: string;
let comfyui: Simulator;
let redis: RedisServer;
let keysFile: string;
/** Settings of a healthy fleet. */
let healthy: Record<string, string>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-doctor-'));
  comfyui = await startSimulator();
  redis = await startRedisServer();
  keysFile = await writeKeys('keys.json', [{ scopes: ['jobs', 'admin'], webhook: { secrets: [SECRET] } }]);
  healthy = {
    REDIS_URL: redis.url,
    REDIS_TIMEOUT_MS: PATIENT,
    COMFYUI_URLS: comfyui.url,
    FRAMES_DIR: join(dir, 'frames'),
    MIN_FREE_BYTES: '1',
    API_KEYS_FILE: keysFile,
  };
});
afterAll(async () => {
  await comfyui.close();
  await redis.close();
  await rm(dir, { recursive: true, force: true });
});

async function writeKeys(name: string, keys: readonly object[], mode = 0o600): Promise<string> {
  const path = join(dir, name);
  const sha256 = createHash('sha256').update(KEY).digest('hex');
  await writeFile(path, JSON.stringify({ keys: keys.map((key, index) => ({ id: `key-${index}`, sha256, ...key })) }));
  await chmod(path, mode);
  return path;
}

/** Runs the doctor with these changes to the healthy settings; undefined removes a setting. */
async function examine(changes: Readonly<Record<string, string | undefined>> = {}) {
  const settings = Object.entries({ ...healthy, ...changes }).filter(([, value]) => value !== undefined);
  const env = Object.fromEntries(settings) as Record<string, string>;
  const { code, stdout, stderr } = await run(['doctor', '--json'], env);
  expect(stdout + stderr).not.toMatch(new RegExp([KEY, SECRET.slice(6), PASSWORD].join('|')));
  expect(stderr).toBe('');
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  expect(ok).toBe(code === 0);
  return { code, findings, bad: findings.filter(({ level }) => level === 'fail') };
}

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
const oddComfyUi = async (how: Parameters<typeof startOddComfyUi>[1]) => {
  const odd = await startOddComfyUi(comfyui.url, how);
  onTestFinished(() => odd.close());
  return odd.url;
};

describe('the doctor on a healthy fleet', () => {
  it('runs every check, finds no failure, and leaves no files behind', async () => {
    const { code, findings, bad } = await examine();
    expect([code, bad]).toEqual([0, []]);
    expect(findings.filter(({ check }) => check !== 'redis-latency').filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(new Set(findings.map(({ check }) => check))).toEqual(
      new Set([
        'settings',
        'redis',
        'redis-version',
        'redis-eviction',
        'redis-aof',
        'redis-latency',
        'redis-memory',
        'redis-replicas',
        'clock',
        'workflows',
        'comfyui',
        'comfyui-models',
        'storage',
        'storage-room',
        'ffmpeg',
        'keys',
        'webhooks',
        'public-url',
      ]),
    );
    expect(findings.filter(({ check }) => check === 'clock')).toHaveLength(2);
    expect(await readdir(join(dir, 'frames'))).toEqual([]);
  });

  it('warns of a misspelt setting', async () => {
    const { code, findings } = await examine({ REDIS_ULR: 'redis://elsewhere' });
    const found = 'REDIS_ULR is not a setting and has no effect; did you mean REDIS_URL?';
    expect(findings).toContainEqual(expect.objectContaining({ check: 'settings', level: 'warn', found }));
    expect(code).toBe(0);
  });
});

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

describe('the doctor on a broken fleet', () => {
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

  it('reports which ComfyUI is down', async () => {
    const port = await freePort();
    const { code, bad } = await examine({
      COMFYUI_URLS: `${comfyui.url},http://someone:${PASSWORD}@127.0.0.1:${port}`,
    });
    expect(code).toBe(1);
    expect(bad).toMatchObject([{ check: 'comfyui', found: expect.stringContaining(`http://127.0.0.1:${port}`) }]);
    expect(bad[0]?.mend).toMatch(/^start ComfyUI there .*or correct COMFYUI_URLS/);
  });

  it('reports an instance that rejects our credentials, and a faulty COMFYUI_INSTANCES_FILE', async () => {
    const closed = await startSimulator({ requiredHeader: 'X-API-Key: another' });
    onTestFinished(() => closed.close());
    const file = join(dir, 'instances.json');
    const settings = { COMFYUI_URLS: undefined, COMFYUI_INSTANCES_FILE: file };
    const write = (headers: object) =>
      writeFile(file, JSON.stringify({ instances: [{ name: 'studio', url: closed.url, headers }] }));
    await write({ 'X-API-Key': PASSWORD });
    expect(await examine(settings)).toMatchObject({
      code: 1,
      bad: [
        {
          check: 'comfyui',
          found: `The ComfyUI instance studio (${closed.url}) refused our credentials (401).`,
          mend: `check headers of studio (${closed.url}) in COMFYUI_INSTANCES_FILE`,
        },
      ],
    });
    closed.set({ requiredHeader: `X-API-Key: ${PASSWORD}` });
    expect((await examine(settings)).bad).toEqual([]);
    await write({ 'X-API-Key': { env: 'NOT_THERE' } });
    expect((await examine(settings)).bad).toMatchObject([
      {
        check: 'comfyui',
        found: `COMFYUI_INSTANCES_FILE=${file}: instance no. 1 (studio): headers.X-API-Key needs the environment variable NOT_THERE, which is not set`,
      },
    ]);
  });

  it("reports a ComfyUI without the workflows' checkpoint", async () => {
    const poor = await startSimulator({ checkpoints: ['fox.safetensors'] });
    onTestFinished(() => poor.close());
    const { code, bad } = await examine({ COMFYUI_URLS: poor.url });
    expect([code, bad]).toEqual([
      1,
      [
        {
          check: 'comfyui-models',
          level: 'fail',
          found: `${poor.url} lacks sd_xl_base_1.0.safetensors for ckpt_name of CheckpointLoaderSimple (it has fox.safetensors), which text2img.json needs`,
          mend: 'set CHECKPOINT=fox.safetensors, or another that is there, or put the file into its models/checkpoints and press R in ComfyUI (or restart it)',
        },
      ],
    ]);
  });

  it('reports a ComfyUI without a node class of the workflows', async () => {
    const url = await oddComfyUi({ lacks: 'VAEDecode' });
    const { bad } = await examine({ COMFYUI_URLS: url });
    expect(bad).toMatchObject([
      { check: 'comfyui-models', found: `${url} lacks the node class VAEDecode, which text2img.json needs` },
    ]);
    expect(bad[0]?.mend).toMatch(/^install the custom node that brings VAEDecode there and restart ComfyUI/);
  });

  it("reports that a ComfyUI's clock is wrong", async () => {
    const url = await oddComfyUi({ aheadMs: 600_000 });
    const { code, bad } = await examine({ COMFYUI_URLS: url });
    expect([code, bad]).toEqual([
      1,
      [
        {
          check: 'clock',
          level: 'fail',
          found: `the clock of ${url} is 10 minutes ahead of this machine's`,
          mend: expect.stringContaining('timedatectl set-ntp true'),
        },
      ],
    ]);
    const late = await examine({ COMFYUI_URLS: await oddComfyUi({ aheadMs: -25_000 }) });
    expect([late.code, late.findings.filter(({ level }) => level === 'warn').map(({ check }) => check)]).toEqual([
      0,
      expect.arrayContaining(['clock']),
    ]);
  });

  it('reports that pictures cannot be stored', async () => {
    const file = join(dir, 'a-file');
    await writeFile(file, '');
    for (const FRAMES_DIR of [file, join(file, 'frames')]) {
      const { code, bad } = await examine({ FRAMES_DIR });
      expect(code).toBe(1);
      expect(bad).toMatchObject([{ check: 'storage', found: expect.stringMatching(/ENOTDIR|EEXIST/) }]);
      expect(bad[0]?.mend).toBe(
        `make ${FRAMES_DIR} a folder that this user can write to, on a disk with free space, or set FRAMES_DIR to another`,
      );
    }
  });

  it('reports too little disk space for pictures', async () => {
    const { bad } = await examine({ MIN_FREE_BYTES: `${2 ** 52}` });
    expect(bad).toMatchObject([{ check: 'storage-room', found: expect.stringMatching(/no jobs are accepted$/) }]);
    expect(bad[0]?.mend).toMatch(/^free disk space there/);
  });

  it('reports an unusable keys file', async () => {
    const broken = join(dir, 'broken.json');
    await writeFile(broken, `{"keys":[{"id":"ada","secret":"${KEY}"`, { mode: 0o600 });
    const unknown = await writeKeys('unknown.json', [{ scopes: ['everything'] }]);
    for (const [API_KEYS_FILE, found, mend] of [
      [broken, /is not valid JSON/, /^correct the file/],
      [unknown, /key no\. 1: scopes may only have jobs, admin/, /^correct the file/],
      [join(dir, 'none.json'), /cannot be read \(ENOENT\)/, /^npm run keys -- create <id> creates it/],
    ] as const) {
      const { code, bad } = await examine({ API_KEYS_FILE });
      expect([code, bad.map(({ check }) => check)]).toEqual([1, ['keys']]);
      expect(bad[0]?.found).toMatch(found);
      expect(bad[0]?.mend).toMatch(mend);
    }
  });

  it('warns if every user can read the keys, no key is an admin, or webhooks are not signed', async () => {
    await chmod(dir, 0o755);
    const { code, findings } = await examine({
      API_KEYS_FILE: await writeKeys('open.json', [{ scopes: ['jobs'] }], 0o644),
    });
    const warned = findings.filter(({ level, check }) => level === 'warn' && check !== 'redis-latency');
    expect([code, warned.map(({ check }) => check)]).toEqual([0, ['keys', 'keys-mode', 'webhooks']]);
    expect(warned.map(({ mend }) => mend)).toEqual([
      expect.stringContaining('npm run keys -- create operator --scopes admin'),
      `chmod 640 ${join(dir, 'open.json')}`,
      expect.stringContaining('--webhook-secret new'),
    ]);
  });

  it('warns if keys may send graphs and an instance would let them reach files of other keys', async () => {
    const warnings = async (scopes: readonly string[]) => {
      const { code, findings } = await examine({
        API_KEYS_FILE: await writeKeys('graphs.json', [{ scopes }]),
        COMFYUI_OUTPUT_DIRS: join(dir, 'output'),
      });
      expect(code).toBe(0);
      return findings.filter(({ check }) => check === 'comfyui-exposure');
    };
    expect(await warnings(['jobs'])).toEqual([]);
    expect(await warnings(['graphs', 'admin'])).toEqual([]);
    const found = await warnings(['jobs', 'graphs']);
    expect(found.map(({ level, mend }) => [level, mend])).toEqual([
      ['warn', 'set COMFYUI_INPUT_DIRS, COMFYUI_TEMP_DIRS for its worker'],
      ['warn', 'update it to 0.28 or newer'],
      ...(process.platform === 'linux' ? [['warn', 'run it as another user']] : []),
    ]);
    expect(found[0]?.found).toContain(`keys may send their own graphs to ${comfyui.url}: nobody deletes the files`);
  });

  it('reports that other machines could reach an API without keys', async () => {
    const { bad } = await examine({ HOST: '0.0.0.0', API_KEYS_FILE: undefined });
    expect(bad).toMatchObject([
      { check: 'keys', found: expect.stringContaining('HOST=0.0.0.0 without API_KEYS_FILE') },
    ]);
    expect(bad[0]?.mend).toMatch(/^npm run keys -- create/);
  });

  it('reports invalid settings without showing secrets', async () => {
    const { code, findings } = await examine({ WEBHOOK_SECRETS: `${SECRET}!`, PORT: 'eighty' });
    expect(code).toBe(1);
    expect(findings.map(({ check, level }) => `${check} ${level}`)).toEqual(['settings fail', 'settings fail']);
    expect(findings.map(({ found }) => found).join()).toMatch(/PORT=eighty.*WEBHOOK_SECRETS/);
  });

  it('reports missing workflows, and still checks what it can of ComfyUI', async () => {
    const { bad, findings } = await examine({ WORKFLOWS_DIR: join(dir, 'nowhere') });
    expect(bad).toMatchObject([{ check: 'workflows', mend: expect.stringContaining('set WORKFLOWS_DIR') }]);
    expect(findings.filter(({ check }) => check.startsWith('comfyui')).map(({ check }) => check)).toEqual(['comfyui']);
  });

  it('reports a PUBLIC_URL that leads elsewhere, and warns if nothing answers there', async () => {
    const elsewhere = await examine({ PUBLIC_URL: comfyui.url });
    expect(elsewhere.bad).toMatchObject([{ check: 'public-url', mend: expect.stringContaining('correct PUBLIC_URL') }]);
    const nobody = await examine({ PUBLIC_URL: `http://127.0.0.1:${await freePort()}` });
    expect(nobody.findings.find(({ check }) => check === 'public-url')?.level).toBe('warn');
    expect(nobody.code).toBe(0);
  });

  it('reports an invalid WEBHOOK_ALLOW', async () => {
    const { bad } = await examine({ WEBHOOK_ALLOW: '10.0.0.0/99' });
    expect(bad).toMatchObject([{ check: 'targets', found: expect.stringMatching(/^WEBHOOK_ALLOW: /) }]);
  });

  it('warns if API keys may send requests to every service on loopback', async () => {
    const targets = async (env: Record<string, string>) =>
      (await examine(env)).findings.filter(({ check }) => check === 'targets');
    expect(await targets({ WEBHOOK_ALLOW: '127.0.0.0/8' })).toMatchObject([
      { level: 'warn', found: expect.stringContaining('loopback'), mend: expect.stringContaining('host:port') },
    ]);
    expect(await targets({ WEBHOOK_ALLOW: '127.0.0.1:9000' })).toMatchObject([
      { level: 'ok', found: expect.stringContaining('never the ports 3001') },
    ]);
  });
});
