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

describe('a place that does not work', () => {
  it.each([
    {
      what: 'nothing listens',
      differences: async () => ({ endpoint: `http://127.0.0.1:${await freePort()}` }),
      says: /^Nothing can be reached at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\); check S3_ENDPOINT/,
    },
    {
      what: 'no such host',
      differences: async () => ({ endpoint: 'http://bucket.invalid' }),
      says: /^The name of http:\/\/bucket\.invalid is not known \(\w+\); check S3_ENDPOINT/,
    },
    {
      what: 'no such bucket',
      differences: async () => ({ bucket: 'no-such-bucket' }),
      says: /^There is no bucket no-such-bucket at http:\S+; make it, or check S3_BUCKET/,
    },
    {
      what: 'an unknown key',
      env: { AWS_ACCESS_KEY_ID: 'AKIAUNKNOWN' },
      says: /does not take the credentials \(InvalidAccessKeyId\); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY$/,
    },
    {
      what: 'a wrong secret',
      env: { AWS_SECRET_ACCESS_KEY: 'wrong' },
      says: /does not take the credentials \(SignatureDoesNotMatch\); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY$/,
    },
    {
      what: 'no credentials',
      env: {
        AWS_ACCESS_KEY_ID: '',
        AWS_SECRET_ACCESS_KEY: '',
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
        AWS_CONFIG_FILE: '/nowhere',
      },
      says: /^There are no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give/,
    },
  ])('says what to do when there is $what, to operators only', async ({ differences, env = {}, says }) => {
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

  it('fails every call with storage_failed, for want of a bucket too: no picture is missed for that', async () => {
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

  it('says nothing when the place works', async () => {
    expect(await (await open()).fault(AbortSignal.timeout(60_000))).toBeUndefined();
  });
});

describe('a place that hangs', () => {
  it('ends every call in time', async () => {
    const gate = await startGate(server.port);
    onTestFinished(() => gate.close());
    gate.shut();
    const stores = await open({ endpoint: gate.url });
    const { frames } = stores;
    expect(await stores.fault(AbortSignal.timeout(100))).toMatch(/does not answer in time; check that it works/);
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
        cause: { message: expect.stringContaining('does not answer in time') },
      });
    }
  });

  it('lets go of a put at once when its caller does', async () => {
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

  it('breaks a reading off with storage_failed, and nothing of the place in it', async () => {
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
