import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { FleetError, newId } from '@comfy-fleet/contracts';
import { freePort, type S3Server, startGate, startS3Server } from '@comfy-fleet/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { frameName, openFrameStores } from '../src/index.js';

type Settings = Extract<Parameters<typeof openFrameStores>[0], { store: 's3' }>;

const { signal } = new AbortController();
let server: S3Server;
let name: string;

beforeAll(async () => {
  server = await startS3Server({ strict: true });
});
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', server.env.AWS_ACCESS_KEY_ID ?? '');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.env.AWS_SECRET_ACCESS_KEY ?? '');
  name = frameName(newId(), 1);
});
afterAll(() => server.close());

const open = (differences: Partial<Settings> = {}) => {
  const { bucket, url: endpoint } = server;
  const whole = { store: 's3', bucket, prefix: '', region: 'us-east-1', endpoint, pathStyle: true, reads: 'proxied' };
  return openFrameStores({ ...whole, ...differences } as Settings, { owner: 'gpu-1' });
};

const faultOf = async (error: Promise<unknown>): Promise<FleetError> => {
  const caught = await error.catch((thrown: unknown) => thrown);
  if (caught instanceof FleetError) return caught;
  throw new Error(`no FleetError: ${String(caught)}`);
};

describe('a bucket that does not work', () => {
  it.each([
    {
      what: 'nothing listens',
      differences: async () => ({ endpoint: `http://127.0.0.1:${await freePort()}` }),
      says: /^http:\/\/127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\); check S3_ENDPOINT/,
    },
    {
      what: 'the host does not exist',
      differences: async () => ({ endpoint: 'http://bucket.invalid' }),
      says: /^The host name of http:\/\/bucket\.invalid cannot be resolved \(\w+\); check S3_ENDPOINT/,
    },
    {
      what: 'the bucket does not exist',
      differences: async () => ({ bucket: 'no-such-bucket' }),
      says: /^There is no bucket no-such-bucket at http:\S+; create it, or check S3_BUCKET/,
    },
    {
      what: 'the access key is unknown',
      env: { AWS_ACCESS_KEY_ID: 'AKIAUNKNOWN' },
      says: /rejects the credentials \(InvalidAccessKeyId\); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY$/,
    },
    {
      what: 'the secret is wrong',
      env: { AWS_SECRET_ACCESS_KEY: 'wrong' },
      says: /rejects the credentials \(SignatureDoesNotMatch\); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY$/,
    },
    {
      what: 'credentials are missing',
      env: {
        AWS_ACCESS_KEY_ID: '',
        AWS_SECRET_ACCESS_KEY: '',
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
        AWS_CONFIG_FILE: '/nowhere',
      },
      says: /^There are no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give/,
    },
  ])('tells operators, but not callers, what to do when $what', async ({ differences, env = {}, says }) => {
    for (const [key, value] of Object.entries(env)) vi.stubEnv(key, value === '' ? undefined : value);
    const stores = await open(await differences?.());
    expect(await stores.fault(AbortSignal.timeout(60_000))).toMatch(says);
    const failed = await faultOf(stores.frames.put(name, [Buffer.from('x')], { signal }));
    expect(failed).toMatchObject({
      code: 'storage_failed',
      detail: expect.stringMatching(/^The place where pictures are stored does not work \([A-Za-z_]+\)\.$/),
      cause: { message: expect.stringMatching(says) },
    });
  });

  it('fails every call with storage_failed if the bucket is missing, instead of reporting missing files', async () => {
    const { frames } = await open({ bucket: 'no-such-bucket' });
    const date = new Date(0);
    const calls = [
      frames.put(name, [randomBytes(9_000_000)], { signal }),
      frames.stat(name),
      frames.open(name),
      frames.delete(name),
      frames.touch(name),
      frames.deleteUnchanged(name, date),
      frames.list()[Symbol.asyncIterator]().next(),
    ];
    for (const failed of await Promise.all(calls.map(faultOf))) expect(failed.code).toBe('storage_failed');
  });

  it('fault returns undefined when the bucket works', async () => {
    expect(await (await open()).fault(AbortSignal.timeout(60_000))).toBeUndefined();
  });
});

describe('a bucket that hangs', () => {
  it('ends every call in time', async () => {
    const gate = await startGate(server.port);
    onTestFinished(() => gate.close());
    gate.shut();
    const stores = await open({ endpoint: gate.url });
    const { frames } = stores;
    expect(await stores.fault(AbortSignal.timeout(100))).toMatch(/does not respond in time; check that it works/);
    const calls = [
      frames.stat(name),
      frames.open(name),
      frames.delete(name),
      frames.touch(name),
      frames.deleteUnchanged(name, new Date(0)),
      frames.list()[Symbol.asyncIterator]().next(),
      frames.put(name, [randomBytes(9_000_000)], { signal }),
    ];
    for (const failed of await Promise.all(calls.map(faultOf))) {
      expect(failed).toMatchObject({
        code: 'storage_failed',
        cause: { message: expect.stringContaining('does not respond in time') },
      });
    }
  });

  it('aborts a put at once when its caller does', async () => {
    const gate = await startGate(server.port);
    onTestFinished(() => gate.close());
    const { frames } = await open({ endpoint: gate.url });
    const abort = new AbortController();
    const reason = new Error('the caller left');
    async function* source() {
      yield randomBytes(1000);
      gate.shut();
      setImmediate(() => abort.abort(reason));
    }
    await expect(frames.put(name, source(), { signal: abort.signal })).rejects.toBe(reason);
  });

  it('fails a read with storage_failed, without revealing the endpoint', async () => {
    const { frames: direct } = await open();
    await direct.put(name, [randomBytes(9_000_000)], { signal });
    const gate = await startGate(server.port);
    const { frames } = await open({ endpoint: gate.url });
    const stream = await frames.open(name);
    const whole = faultOf(buffer(stream as Readable));
    await gate.close();
    const failed = await whole;
    expect(failed).toMatchObject({ code: 'storage_failed' });
    expect(failed.detail).not.toContain('127.0.0.1');
  });
});
