import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigError, type Environment, loadConfig, readModelCredentials } from '../src/index.js';

const SECRET = 'correct-horse-battery-staple';

function read(text: string, env: Environment = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'comfy-fleet-credentials-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'token'), `${SECRET}\n`);
  writeFileSync(join(dir, 'credentials.yaml'), text);
  return readModelCredentials(loadConfig({ MODEL_CREDENTIALS_FILE: join(dir, 'credentials.yaml') }), env);
}

async function faultsOf(text: string): Promise<string[]> {
  try {
    await read(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map((fault) => fault.replace(/^MODEL_CREDENTIALS_FILE=\S+credentials\.yaml: /, ''));
  }
  return [];
}

const plain = { headers: {}, query: {}, s3: undefined, callers: false };

describe('readModelCredentials', () => {
  it('reads headers, queries, users and buckets, with secrets from files and the environment', async () => {
    const text = `
credentials:
  - url: https://huggingface.co/
    header: { Authorization: { env: HF_TOKEN, prefix: "Bearer " } }
    callers: true
  - { url: https://civitai.com/*, query: { token: { file: token } } }
  - { url: https://*.example.com/models/, basic: { user: me, password: { file: token } } }
  - { url: s3://bucket/, s3: { access_key_id: id, secret_access_key: { file: token }, endpoint: http://minio:9000, path_style: true } }
  - { url: s3://other/, s3: { region: eu-west-1 } }
`;
    const credentials = { accessKeyId: 'id', secretAccessKey: SECRET };
    expect(await read(text, { HF_TOKEN: SECRET })).toEqual([
      { ...plain, url: 'https://huggingface.co/', headers: { Authorization: `Bearer ${SECRET}` }, callers: true },
      { ...plain, url: 'https://civitai.com/', query: { token: SECRET } },
      { ...plain, url: 'https://*.example.com/models/', headers: { Authorization: `Basic ${btoa(`me:${SECRET}`)}` } },
      {
        ...plain,
        url: 's3://bucket/',
        s3: { credentials, region: 'us-east-1', endpoint: 'http://minio:9000', pathStyle: true },
      },
      {
        ...plain,
        url: 's3://other/',
        s3: { credentials: undefined, region: 'eu-west-1', endpoint: undefined, pathStyle: false },
      },
    ]);
  });

  it.each([
    ['credentials: [{ url: huggingface.co }]', /^credentials no\. 1: url must be the beginning of/],
    ['credentials: [{ url: "https://a.b/", token: x }]', /^credentials no\. 1: token is not a known field$/],
    ['credentials: [{ url: "s3://a/" }]', /^credentials no\. 1: url needs s3$/],
    ['credentials: [{ url: "https://a.b/", s3: {} }]', /^credentials no\. 1: url must begin with s3/],
    ['credentials: [{ url: "s3://a/", s3: { access_key_id: x } }]', /^credentials no\. 1: s3\.secret_access_key must/],
    [
      'credentials: [{ url: "https://a.b/", header: { X: { env: NOT_SET } } }]',
      /header\.X needs the environment variable/,
    ],
    ['credentials: [{ url: "https://a.b/", header: { Host: x } }]', /header\.Host is set automatically/],
    ['credentials: [{ url: "https://a.b/", basic: { user: x } }]', /^credentials no\. 1: basic\.password is missing$/],
    ['[]', /^the file must be an object$/],
    ['{', /^is neither valid JSON nor valid YAML/],
  ])('says what is wrong in %s', async (text, fault) => {
    expect(await faultsOf(text)).toEqual([expect.stringMatching(fault)]);
  });

  it('never shows a secret', async () => {
    const texts = [
      `credentials: [{ url: "https://a.b/?${SECRET}", header: { X: ${SECRET} } }]`,
      `credentials: [{ url: "https://a.b/", header: { X: [${SECRET}] } }]`,
      `credentials: [{ url: "https://a.b/", header: { "${SECRET} ": x } }]`,
    ];
    for (const text of texts) {
      const faults = await faultsOf(text);
      expect(faults).not.toEqual([]);
      expect(faults.join()).not.toContain(SECRET);
    }
  });
});

describe('MODEL_PEERS', () => {
  it('needs a token', () => {
    const url = { MODEL_PEERS: 'http://gpu-1:8190' };
    expect(() => loadConfig(url)).toThrow(/MODEL_PEERS_TOKEN is not set/);
    expect(loadConfig({ ...url, MODEL_PEERS_TOKEN: SECRET }).models.peers).toMatchObject({ token: SECRET });
  });
});
