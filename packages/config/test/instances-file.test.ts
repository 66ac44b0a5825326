import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigError, type Environment, type InstanceSettings, loadConfig, readInstances } from '../src/index.js';

const SECRET = 'correct-horse-battery-staple';

/** Writes files into a new folder and answers its path. */
function folder(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'comfy-fleet-instances-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}

async function read(text: string, env: Environment = {}, files: Readonly<Record<string, string>> = {}) {
  const dir = folder({ 'instances.yaml': text, ...files });
  const all = { COMFYUI_INSTANCES_FILE: join(dir, 'instances.yaml'), ...env };
  return { dir, instances: await readInstances(loadConfig(all), all) };
}

/** The errors of the file, without its name. */
async function faultsOf(
  text: string,
  env: Environment = {},
  files: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  try {
    await read(text, env, files);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map((fault) => fault.replace(/^COMFYUI_INSTANCES_FILE=\S+instances\.yaml: /, ''));
  }
  return [];
}

describe('readInstances', () => {
  it('gives each instance its models folder, or the one of all', async () => {
    const text = 'instances: [{ url: http://a:1, models_dir: models }, { url: http://b:1 }]';
    const { dir, instances } = await read(text, { COMFYUI_MODELS_DIR: '/models' });
    expect(instances.map(({ modelsDir }) => modelsDir)).toEqual([join(dir, 'models'), '/models']);
    const env = { COMFYUI_URLS: 'http://a:1', COMFYUI_MODELS_DIR: '/models' };
    expect(await readInstances(loadConfig(env), env)).toMatchObject([{ modelsDir: '/models' }]);
  });

  it("numbers the addresses of COMFYUI_URLS, with the folders and the worker's pools", async () => {
    const env = {
      COMFYUI_URLS: 'http://a:1/,http://b:2',
      COMFYUI_OUTPUT_DIRS: ',/out',
      WORKER_POOLS: 'fast,slow',
      COMFYUI_TEMP_DIRS: '/tmp/a,',
    };
    const pools = ['fast', 'slow'];
    const none = { output: undefined, input: undefined, temp: undefined };
    expect(await readInstances(loadConfig(env), env)).toEqual<InstanceSettings[]>([
      { name: '1', url: 'http://a:1', headers: {}, folders: { ...none, temp: '/tmp/a' }, pools },
      { name: '2', url: 'http://b:2', headers: {}, folders: { ...none, output: '/out' }, pools },
    ]);
  });

  it('reads every field of an entry from YAML, with paths relative to the file', async () => {
    const { dir, instances } = await read(
      `
instances:
  - name: studio-a
    url: https://gpu.example/comfy/
    headers:
      Authorization: { prefix: "Bearer ", file: token }
      X-API-Key: { env: GPU_KEY }
      X-Plain: "as it is"
    output_dir: out
    input_dir: /srv/in
    temp_dir: ../temp
    pools: [flux, fast]
  - url: http://127.0.0.1:8188
`,
      { GPU_KEY: `${SECRET} `, WORKER_POOLS: 'slow' },
      { token: `${SECRET}\n` },
    );
    expect(instances).toEqual<InstanceSettings[]>([
      {
        name: 'studio-a',
        url: 'https://gpu.example/comfy',
        headers: { Authorization: `Bearer ${SECRET}`, 'X-API-Key': SECRET, 'X-Plain': 'as it is' },
        folders: { output: join(dir, 'out'), input: '/srv/in', temp: join(dir, '../temp') },
        pools: ['flux', 'fast'],
      },
      {
        name: '2',
        url: 'http://127.0.0.1:8188',
        headers: {},
        folders: { output: undefined, input: undefined, temp: undefined },
        pools: ['slow'],
      },
    ]);
  });

  it('reads JSON', async () => {
    const file = { instances: [{ url: 'http://a:1', headers: { authorization: 'Basic YTpi' } }] };
    expect((await read(`\uFEFF${JSON.stringify(file)}`)).instances).toMatchObject([
      { name: '1', url: 'http://a:1', headers: { authorization: 'Basic YTpi' } },
    ]);
  });

  it.each([
    ['url: http://a:1', 'url is not a known field'],
    ['- url: http://a:1', 'the list must be under a key: instances:'],
    ['', 'the file must be an object'],
    ['instances: []', 'instances must not be empty'],
    ['instances: [{name: a}]', 'instance no. 1 (a): url is missing'],
    [
      'instances: [{url: http://me:pass@a:1}]',
      'instance no. 1: url must be an http:// or https:// address without user, password and query; put credentials into headers',
    ],
    [
      'instances: [{url: http://a:1, name: a/b}]',
      'instance no. 1 (a/b): name must have 1 to 64 characters, only A-Z a-z 0-9 . _ and -, and begin with a letter or a digit',
    ],
    [
      'instances: [{url: http://a:1, pools: [Fast]}]',
      'instance no. 1: pools may only have names of up to 32 characters, a-z 0-9 and -',
    ],
    ['instances: [{url: http://a:1, pools: []}]', 'instance no. 1: pools must not be empty'],
    ['instances: [{url: http://a:1, token: x}]', 'instance no. 1: token is not a known field'],
    [
      'instances: [{url: http://a:1, name: a}, {url: http://b:1, name: a}]',
      'instance no. 2 (a): its name is also that of no. 1',
    ],
    [
      'instances: [{url: http://b:1, name: "2"}, {url: http://a:1}]',
      'instance no. 2 (2): its name is also that of no. 1',
    ],
    [
      'instances: [{url: http://a:1, name: a}, {url: http://a:1/, name: b}]',
      'instance no. 2 (b): its url is also that of no. 1; one GPU would be driven as two',
    ],
    ['instances: [{url: "http://a:1}', 'is neither valid JSON nor valid YAML (MISSING_CHAR in line 1, column 31)'],
    ['instances: [*nobody]', 'is not valid YAML (an alias leads nowhere, or to too much)'],
  ])('says of %j: %s', async (text, fault) => {
    expect(await faultsOf(text)).toContain(fault);
  });

  const headers = (text: string) => `instances: [{url: http://a:1, name: a, headers: {${text}}}]`;
  const FORM = 'must be a text in quotes, {"file": "<path>"} or {"env": "<variable>"}, optionally with a "prefix"';

  it.each([
    ['X-Key: 12345', `headers.X-Key ${FORM}`],
    ['X-Key: {value: x}', `headers.X-Key ${FORM}`],
    ['X-Key: {file: x, env: Y}', `headers.X-Key ${FORM}`],
    ['X-Key: ""', 'headers.X-Key is empty'],
    ['X-Key: {env: NOT_THERE}', 'headers.X-Key needs the environment variable NOT_THERE, which is not set'],
    ['Host: gpu.example', 'headers.Host is set automatically; leave it out'],
    ['"X-Key correct-horse-battery-staple": a', 'headers has a key that is not a valid header name'],
    ['X-Key: "correct-horse-battery-staple\\nX: y"', 'headers.X-Key has a line break or a character that is not ASCII'],
  ])('says of the headers {%s}: %s', async (text, fault) => {
    expect(await faultsOf(headers(text))).toEqual([`instance no. 1 (a): ${fault}`]);
  });

  it('names the file of a header that is missing or empty', async () => {
    const [missing, empty] = await faultsOf(headers('X-A: {file: nowhere}, X-B: {file: empty}'), {}, { empty: ' \n' });
    expect(missing).toMatch(
      /^instance no\. 1 \(a\): headers\.X-A cannot be read from the file \S+\/nowhere \(ENOENT\)$/,
    );
    expect(empty).toMatch(/^instance no\. 1 \(a\): headers\.X-B is empty in the file \S+\/empty$/);
  });

  it('shows no secret in any error', async () => {
    const broken = [
      headers(`X-Key: "${SECRET}\u00e9"`),
      headers(`X-Key: {value: ${SECRET}}`),
      `instances: [{url: http://u:${SECRET}@a:1}]`,
      `instances: [{url: http://a:1, headers: {X: *${SECRET}}}]`,
      `instances: [{url: http://a:1, headers: "${SECRET}"}]`,
      `instances:\n  - url: http://a:1\n    headers:\n      X: "${SECRET}" ${SECRET}\n`,
      `instances:\n  - headers: !${SECRET} x\n`,
    ];
    for (const text of broken) {
      const faults = await faultsOf(text);
      expect(faults, text).not.toEqual([]);
      expect(faults.join(), text).not.toContain(SECRET);
    }
  });

  it('reports a missing file only when it is needed', async () => {
    const env = { COMFYUI_INSTANCES_FILE: '/nowhere/instances.yaml' };
    const config = loadConfig(env);
    await expect(readInstances(config, env)).rejects.toThrow(
      'COMFYUI_INSTANCES_FILE=/nowhere/instances.yaml: cannot be read (ENOENT)',
    );
  });
});

it('refuses addresses and folders beside an instances file', () => {
  const env = { COMFYUI_INSTANCES_FILE: 'i.yaml', COMFYUI_URLS: 'http://a:1', COMFYUI_OUTPUT_DIRS: '/out' };
  expect(() => loadConfig(env)).toThrow(
    'The settings are wrong:\n  - COMFYUI_INSTANCES_FILE and COMFYUI_URLS are both set: keep one of them\n' +
      '  - COMFYUI_INSTANCES_FILE and COMFYUI_OUTPUT_DIRS are both set: keep one of them',
  );
});
