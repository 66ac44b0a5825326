import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';
import {
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { newId } from '@comfy-fleet/contracts';
import { type S3Server, startGate, startS3Server } from '@comfy-fleet/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type FrameStore, frameName, openFrameStores } from '../src/index.js';
import { openBucket } from '../src/s3/bucket.js';
import { createS3Frames } from '../src/s3/s3-frames.js';
import { frameStoreContract, type Place, pieces, read, sha256 } from './frame-store-contract.js';

type Settings = Extract<Parameters<typeof openFrameStores>[0], { store: 's3' }>;

const { signal } = new AbortController();
const OLD = new Date('2026-01-01T00:00:00Z');
const owner = 'gpu-1';

let server: S3Server;
let client: S3Client;
let settings: Settings;
let frames: FrameStore;
let name: string;

beforeAll(async () => {
  server = await startS3Server();
});
beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', server.env.AWS_ACCESS_KEY_ID ?? '');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.env.AWS_SECRET_ACCESS_KEY ?? '');
  settings = settingsOf(server);
  client = new S3Client({ region: settings.region, endpoint: server.url, forcePathStyle: true });
  frames = (await openFrameStores(settings, { owner })).frames;
  name = frameName(newId(), 1);
});
afterEach(() => client.destroy());
afterAll(() => server.close());

function settingsOf({ bucket, url }: S3Server): Settings {
  const [prefix, region] = [`${randomUUID()}/`, 'us-east-1'];
  return { store: 's3', bucket, prefix, region, endpoint: url, pathStyle: true, reads: 'proxied' };
}

async function objects({ bucket, prefix }: Settings = settings): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
  return Contents.map(({ Key = '' }) => Key.slice(prefix.length));
}

async function uploads({ bucket, prefix }: Settings = settings): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return Uploads.map(({ Key = '' }) => Key).filter((key) => key.startsWith(prefix));
}

const objectOf = (file = name) => ({ Bucket: settings.bucket, Key: `${settings.prefix}frames/${file}` });

/** Starts a proxy to the server that calls `before` for each request. Returns its URL. */
async function startProxy(before: (request: IncomingMessage) => unknown): Promise<string> {
  const proxy = createServer(async (incoming, outgoing) => {
    await before(incoming);
    const { method, url, headers } = incoming;
    const options = { method, headers: { ...headers, connection: 'close' } };
    const onward = request(`${server.url}${url}`, options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

frameStoreContract('bucket', openBucketPlace, 10);

async function openBucketPlace(): Promise<Place> {
  const mine = settingsOf(server);
  const gate = await startGate(server.port);
  const { frames: first } = await openFrameStores({ ...mine, endpoint: gate.url }, { owner });
  const { frames: second } = await openFrameStores(mine, { owner: 'api' });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= gate.close();
    return closed;
  };
  return {
    open: (who) => (who === owner ? first : second),
    contents: async () => {
      const whole = (await objects(mine)).map((key) => key.replace(/^frames\//, ''));
      return [...whole, ...(await uploads(mine))];
    },
    age: (file, time) => server.age(`${mine.prefix}frames/${file}`, time),
    ruin: close,
    secrets: [mine.bucket, gate.url, mine.prefix],
    close,
  };
}

describe('an object', () => {
  it.each([7, 9_000_000])('of %i bytes has its digest and content type as metadata', async (bytes) => {
    const data = randomBytes(bytes);
    await frames.put(name, pieces(data), { signal });
    const { Metadata, ContentType } = await client.send(new HeadObjectCommand(objectOf()));
    expect([Metadata, ContentType]).toEqual([{ sha256: sha256(data) }, 'image/png']);
    expect(await objects()).toEqual([`frames/${name}`]);
  });

  it('is collected in one buffer, because small chunks of their own take much more memory', async () => {
    // A source that writes each chunk over the last one.
    const chunk = Buffer.alloc(1);
    async function* source() {
      for (const text of 'small chunks') {
        chunk.write(text);
        yield chunk;
      }
    }
    await frames.put(name, source(), { signal });
    expect(await read(await frames.open(name))).toEqual(Buffer.from('small chunks'));
  });

  it('keeps its digest and content type when it is touched', async () => {
    await frames.put(name, [Buffer.from('picture')], { signal });
    await server.age(objectOf().Key, OLD);
    expect(await frames.touch(name)).toBe(true);
    const { Metadata, ContentType } = await client.send(new HeadObjectCommand(objectOf()));
    expect([Metadata, ContentType]).toEqual([{ sha256: sha256(Buffer.from('picture')) }, 'image/png']);
  });

  it.each([
    ['touched', () => frames.put(name, [Buffer.from('first')], { signal }), (store: FrameStore) => store.touch(name)],
    ['put in parts', async () => {}, (store: FrameStore) => store.put(name, [randomBytes(9_000_000)], { signal })],
  ])(
    'does not get the digest of content that was %s when other content is stored at that moment',
    async (_what, before, act) => {
      await before();
      const another = Buffer.from('another');
      const proxy = await startProxy(({ headers }) =>
        'x-amz-copy-source' in headers ? frames.put(name, [another], { signal }) : undefined,
      );
      await act((await openFrameStores({ ...settings, endpoint: proxy }, { owner })).frames);
      expect(await frames.stat(name)).toMatchObject({ bytes: 7, sha256: sha256(another) });
      const { Metadata } = await client.send(new HeadObjectCommand(objectOf()));
      expect(Metadata).toEqual({ sha256: sha256(another) });
    },
  );

  it('that another program stored is read for its digest', async () => {
    const Body = randomBytes(100_000);
    await client.send(new PutObjectCommand({ ...objectOf(), Body }));
    for (let round = 0; round < 2; round++) {
      expect(await frames.stat(name)).toMatchObject({ bytes: 100_000, sha256: sha256(Body) });
    }
    await client.send(new PutObjectCommand({ ...objectOf(), Body: 'another' }));
    expect(await frames.stat(name)).toMatchObject({ bytes: 7, sha256: sha256(Buffer.from('another')) });
  });

  it('is in a separate folder for each store', async () => {
    const stores = await openFrameStores(settings, { owner });
    for (const store of [stores.frames, stores.inputs, stores.derived]) {
      await store.put(name, [Buffer.from('x')], { signal });
    }
    expect((await objects()).sort()).toEqual([`derived/${name}`, `frames/${name}`, `inputs/${name}`]);
  });
});

describe('a reader', () => {
  it('that aborts gets its own reason, not storage_failed', async () => {
    await frames.put(name, [randomBytes(9_000_000)], { signal });
    const abort = new AbortController();
    const stream = addAbortSignal(abort.signal, (await frames.open(name)) as Readable);
    const whole = read(stream);
    abort.abort(new Error('the caller left'));
    await expect(whole).rejects.toMatchObject({ name: 'AbortError', cause: { message: 'the caller left' } });
  });
});

describe('list', () => {
  it('follows pages, and skips objects with other names', async () => {
    const names = Array.from({ length: 1001 }, () => frameName(newId(), 1));
    await server.fill([...names, 'notes/of/an/operator.txt'].map((file) => objectOf(file).Key));
    const found: string[] = [];
    for await (const frame of frames.list()) found.push(frame.name);
    expect(found.sort()).toEqual(names.sort());
  });
});

describe('freeBytes', () => {
  it('returns undefined, because a bucket has no limit', async () => {
    expect(await frames.freeBytes()).toBeUndefined();
  });
});

describe('sweepAbandoned', () => {
  it('aborts old uploads of its own folder only', async () => {
    await client.send(new CreateMultipartUploadCommand(objectOf()));
    await client.send(new CreateMultipartUploadCommand({ ...objectOf(), Key: `${settings.prefix}inputs/${name}` }));
    expect(await frames.sweepAbandoned(new Date(0))).toBe(0);
    expect(await frames.sweepAbandoned(new Date())).toBe(1);
    expect(await uploads()).toEqual([`${settings.prefix}inputs/${name}`]);
  });

  it('removes marks that failed deletions left long ago', async () => {
    const [old, young] = ['old', 'young'].map((mark) => `${settings.prefix}deleting/frames/${name}/${mark}`);
    for (const Key of [old, young]) await client.send(new PutObjectCommand({ ...objectOf(), Key, Body: 'x' }));
    await server.age(`${old}`, OLD);
    await frames.sweepAbandoned(new Date(Date.now() - 60_000));
    expect(await objects()).toEqual([`deleting/frames/${name}/young`]);
  });
});

describe('a deletion whose process died', () => {
  it('delays a touch until its mark is too old, and then removes the mark', async () => {
    await frames.put(name, [Buffer.from('picture')], { signal });
    const Key = `${settings.prefix}deleting/frames/${name}/0123456789abcdef`;
    await client.send(new PutObjectCommand({ ...objectOf(), Key, Body: 'x' }));
    const impatient = createS3Frames(openBucket(settings), 'frames', { deadMs: 500 });
    expect(await impatient.touch(name)).toBe(true);
    expect(await objects()).toEqual([`frames/${name}`]);
  });
});

describe('link', () => {
  const options = { seconds: 300, contentType: 'image/webp', cacheControl: 'private, max-age=300, immutable' };

  it('returns a URL that serves the file, whole and in part, with the requested headers', async () => {
    const data = randomBytes(1000);
    await frames.put(name, [data], { signal });
    const { frames: linked } = await openFrameStores({ ...settings, reads: 'presigned' }, { owner });
    const link = (await linked.link(name, options)) ?? '';
    expect(link).toContain(`${server.url}/${settings.bucket}/${settings.prefix}frames/${name}?`);
    const asked = new URL(link).searchParams;
    expect(asked.get('X-Amz-Expires')).toBe('300');
    expect(asked.get('response-content-type')).toBe(options.contentType);
    expect(asked.get('response-cache-control')).toBe(options.cacheControl);
    const answer = await fetch(link);
    expect([answer.status, Buffer.from(await answer.arrayBuffer())]).toEqual([200, data]);
    const part = await fetch(link, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, data.subarray(10, 20)]);
  });

  it('stays the same for a minute, so that caches work', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-05-05T10:00:01Z') });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { frames: linked } = await openFrameStores({ ...settings, reads: 'presigned' }, { owner });
    const first = await linked.link(name, options);
    vi.setSystemTime(new Date('2026-05-05T10:00:59Z'));
    expect(await linked.link(name, options)).toBe(first);
    vi.setSystemTime(new Date('2026-05-05T10:01:00Z'));
    expect(await linked.link(name, options)).not.toBe(first);
  });

  it('returns undefined if reads are proxied, and for an invalid name', async () => {
    expect(await frames.link(name, options)).toBeUndefined();
    const { frames: linked } = await openFrameStores({ ...settings, reads: 'presigned' }, { owner });
    expect(await linked.link('../secret.png', options)).toBeUndefined();
  });
});
