import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type Simulator, startSimulator } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { KEY, openHealthyFleet, PASSWORD, SECRET } from './healthy-fleet.js';
import { startOddComfyUi } from './odd-comfyui.js';

type HealthyFleet = Awaited<ReturnType<typeof openHealthyFleet>>;

let dir: string;
let comfyui: Simulator;
let writeKeys: HealthyFleet['writeKeys'];
let examine: HealthyFleet['examine'];
let close: HealthyFleet['close'];
beforeAll(async () => {
  ({ dir, comfyui, writeKeys, examine, close } = await openHealthyFleet());
});
afterAll(() => close());

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

describe('the doctor on a ComfyUI that keeps results of the last prompt only', () => {
  it('recommends --cache-lru, unless ENCODE_AHEAD is off', async () => {
    const classic = await startSimulator();
    onTestFinished(() => classic.close());
    const cacheFindings = async (settings: Record<string, string>) => {
      const { code, findings } = await examine({ COMFYUI_URLS: classic.url, ...settings });
      expect(code).toBe(0);
      return findings.filter(({ check }) => check === 'comfyui-cache');
    };
    const mend = expect.stringContaining('--cache-lru 64');
    expect(await cacheFindings({})).toMatchObject([{ level: 'warn', mend }]);
    expect(await cacheFindings({ ENCODE_AHEAD: 'off' })).toEqual([]);
  });
});

describe('the doctor on a broken fleet', () => {
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
