import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { loadConfig } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import { until } from '@comfy-fleet/testing';
import { showJson } from '@comfy-fleet/workflows';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { expressApp } from '../src/server/express-app.js';
import { anonymousCaller, type Caller } from '../src/server/gate.js';
import { createOpenStreams } from '../src/server/key-limits.js';
import { type Listening, listen } from '../src/server/listen.js';
import { createInstruments } from '../src/server/locals.js';
import type { Handler, Route } from '../src/server/messages.js';
import { docsPages } from '../src/server/pages.js';
import type { Dialect } from '../src/server/problems.js';
import { createComputing } from '../src/server/turns.js';
import { problemOf } from './api.js';

let server: Listening | undefined;
afterEach(() => server?.close(0));

interface Served extends Partial<Pick<Route, 'method' | 'reads' | 'held'>> {
  readonly admit?: () => Promise<Caller | undefined>;
  readonly maxUploadingBytes?: number;
  readonly dialects?: readonly Dialect[];
  /** Most downloads at a time. */
  readonly downloads?: number;
  readonly corsOrigins?: readonly string[];
}

/** Serves one handler at /x; returns its address and the log. */
async function serve(
  handler: Handler,
  {
    admit = async () => undefined,
    maxUploadingBytes,
    dialects = [],
    downloads = 10,
    corsOrigins = [],
    ...more
  }: Served = {},
) {
  const logged: string[] = [];
  const stream = new Writable({
    write: (line: Buffer, _encoding, done) => {
      logged.push(line.toString());
      done();
    },
  });
  const log = createLogger({ service: 'api', level: 'debug', format: 'json', stream });
  const instruments = createInstruments(createMetrics({ service: 'api', log }));
  const gate = { admit };
  const meter = async () => ({ headers: {}, refusal: undefined });
  const { http } = loadConfig({});
  const limits = {
    ...http,
    maxWorkflowBytes: 1024,
    maxPromptBytes: 1024,
    maxImageBytes: 1000,
    maxAssetBytes: 1000,
    maxUploadingBytes: maxUploadingBytes ?? http.maxUploadingBytes,
  };
  const routes: Route[] = [{ method: 'GET', access: 'public', path: '/x', handler, ...more }];
  server = await listen({ host: '127.0.0.1', port: 0, idleMs: 3_600_000 });
  server.serve(
    expressApp(routes, {
      limits,
      receive: () => expect.fail('no file was sent'),
      computing: createComputing(),
      hosts: () => undefined,
      gate,
      meter,
      corsOrigins,
      dialects,
      pages: [{ path: '/docs', access: 'public', load: () => docsPages(undefined) }],
      sockets: [],
      openSockets: { streams: () => () => {}, heartbeatMs: 1000, stopping: new AbortController().signal },
      instruments,
      downloads: createOpenStreams({ most: downloads, mostOfKey: downloads, reservedForKey: 0 }),
      readmitMs: 10,
      log,
    }),
  );
  return { url: `http://127.0.0.1:${server.port}/x`, logged };
}

describe('a response that has been sent', () => {
  const LARGE = 'x'.repeat(100_000);
  const openAt = (url: string, version = '1.1') => {
    const { port, pathname } = new URL(url);
    const client = connect({ port: Number(port), allowHalfOpen: true });
    const received = { text: '' };
    client.setEncoding('latin1').on('data', (text) => {
      received.text += text;
    });
    client.on('error', () => {}); // a reset, once it has closed its side
    client.write(`GET ${pathname} HTTP/${version}\r\nHost: localhost\r\n\r\n`);
    return { client, received };
  };

  it.each([
    ['a text', LARGE, LARGE],
    ['a stream', Readable.from(['x']), '\r\n0\r\n\r\n'],
  ])('is over when the client closes the connection if it is large or may be (%s)', async (_kind, body, end) => {
    let over: AbortSignal | undefined;
    const { url } = await serve(({ signal }) => {
      over = signal;
      return { status: 200, body };
    });
    const { client, received } = openAt(url);
    await until('the response', () => received.text.endsWith(end));
    expect([over?.aborted, client.readableEnded]).toEqual([false, false]);
    client.end();
    await until('the response to be over', () => over?.aborted);
  });

  it('ends with the connection for a client of HTTP/1.0, which has no other sign of it', async () => {
    const { url } = await serve(() => ({ status: 200, body: Readable.from(['x']) }));
    const { client, received } = openAt(url, '1.0');
    await once(client, 'end');
    expect(received.text).toMatch(/\r\n\r\nx$/);
    client.end();
  });

  it('counts as a download until then', async () => {
    const about = { admit: async () => anonymousCaller, downloads: 1 };
    const { url } = await serve(() => ({ status: 200, body: LARGE }), about);
    const { client, received } = openAt(url);
    await until('the response', () => received.text.length > LARGE.length);
    const refused = await fetch(url);
    expect([refused.status, (await problemOf(refused)).code]).toEqual([503, 'overloaded']);
    client.end();
    await until('the next one', async () => (await fetch(url)).ok);
  });

  it.each(['/x', '/docs/swagger-ui-bundle.js'])(
    'is cut off if 100 newer ones need no key either (%s)',
    async (path) => {
      const served = await serve(() => ({ status: 200, body: LARGE }), { downloads: 1 });
      const url = new URL(path, served.url).href;
      const unread: Socket[] = [];
      for (let at = 0; at < 100; at += 1) {
        const { client } = openAt(url);
        onTestFinished(() => void client.destroy());
        await once(client, 'data');
        unread.push(client.pause());
      }
      expect((await fetch(url)).status).toBe(200);
      for (const client of unread) client.resume();
      const isOver = ({ readableEnded, closed }: Socket) => readableEnded || closed;
      await until('the oldest one to be cut off', () => unread.some(isOver));
      expect(unread.map(isOver).lastIndexOf(true)).toBe(0);
    },
  );

  it('is over although the connection stays open if it is small', async () => {
    let over: AbortSignal | undefined;
    const { url } = await serve(({ signal }) => {
      over = signal;
      return { status: 200, body: 'x'.repeat(1000) };
    });
    const client = connect({ port: Number(new URL(url).port) });
    onTestFinished(() => void client.destroy());
    client.resume().write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('the response to be over', () => over?.aborted);
    expect(client.closed).toBe(false);
  });
});

it('adds what a response depends on to what CORS makes it depend on', async () => {
  const handler: Handler = () => ({ status: 200, headers: { Vary: 'Authorization' } });
  const { url } = await serve(handler, { corsOrigins: ['https://a.example', 'https://b.example'] });
  const { headers } = await fetch(url, { headers: { origin: 'https://a.example' } });
  expect([headers.get('access-control-allow-origin'), headers.get('vary')]).toEqual([
    'https://a.example',
    'Origin, Authorization',
  ]);
});

describe('a handler that fails', () => {
  it('unexpectedly is answered 500 without the reason, which is logged in full', async () => {
    const { url, logged } = await serve(() => {
      throw new Error('connect ECONNREFUSED 10.1.2.3:6379', { cause: new TypeError('in /srv/secret.ts') });
    });
    const answer = await fetch(url);
    expect(answer.status).toBe(500);
    const problem = await problemOf(answer);
    expect(problem).toEqual({
      type: 'urn:comfy-fleet:problem:internal_error',
      title: 'Something went wrong on our side',
      status: 500,
      detail: expect.any(String),
      instance: '/x',
      code: 'internal_error',
    });
    expect(JSON.stringify(problem)).not.toMatch(/ECONNREFUSED|10\.1\.2\.3|secret|TypeError/);
    const line = logged.find((text) => text.includes('"level":"error"'));
    expect(line).toMatch(/ECONNREFUSED 10\.1\.2\.3/);
    expect(line).toMatch(/in \/srv\/secret\.ts/);
    expect(line).toMatch(/express-app\.test\.ts/); // the stack
  });

  it('with an internal_error is answered without its detail too', async () => {
    const { url } = await serve(() => Promise.reject(new FleetError('internal_error', 'no template in /srv')));
    expect((await problemOf(await fetch(url))).detail).not.toContain('/srv');
  });

  it('in the middle of a stream cuts the connection instead of ending the body', async () => {
    const { url, logged } = await serve(() => ({
      status: 200,
      headers: { 'Content-Length': '10' },
      body: Readable.from(
        (async function* () {
          yield Buffer.from('12345');
          throw new FleetError('storage_failed', 'The disk is gone.');
        })(),
      ),
    }));
    const answer = await fetch(url);
    await expect(answer.text()).rejects.toThrow();
    expect(logged.some((line) => line.includes('storage_failed'))).toBe(true);
  });
});

describe('a caller that disconnects before it is admitted', () => {
  it('reserves no memory for its body', async () => {
    const waiting: ((admitted: undefined) => void)[] = [];
    const admit = () => new Promise<undefined>((resolve) => waiting.push(resolve));
    const { url, logged } = await serve(() => ({ status: 200, body: {} }), {
      method: 'POST',
      reads: 'picture',
      admit,
      maxUploadingBytes: 1000,
    });
    const { port, host } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`POST /x HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n`);
    await until('it to ask for admission', () => waiting.length === 1);
    socket.destroy();
    await until('the server to have seen it leave', () => logged.some((line) => line.includes('"aborted":true')));
    waiting[0]?.(undefined);
    const body = JSON.stringify({ prompt: 'x'.repeat(300) });
    const answer = fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    await until('the next caller to ask for admission', () => waiting.length === 2);
    waiting[1]?.(undefined);
    expect((await answer).status).toBe(200);
  });
});

describe('a form with a picture', () => {
  it('that arrives in many pieces counts as an upload once', async () => {
    const { url } = await serve(() => ({ status: 200, body: {} }), {
      method: 'POST',
      reads: 'picture',
      maxUploadingBytes: 4000,
    });
    const { port, host } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    const type = 'Content-Type: multipart/form-data; boundary=x';
    socket.write(`POST /x HTTP/1.1\r\nHost: ${host}\r\n${type}\r\nContent-Length: 2000\r\n\r\n`);
    const part = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n';
    for (const piece of [part, ...Array.from({ length: 9 }, () => '.'.repeat(100))]) {
      await new Promise((resolve) => socket.write(piece, resolve));
      await (await fetch(url)).text(); // answered once the piece has been read
    }
    const form = new FormData();
    form.set('image', new Blob(['png']), 'a.png');
    expect((await fetch(url, { method: 'POST', body: form })).status).toBe(200);
  });
});

describe('a connection', () => {
  it('stays open when a request that arrived together with its body is refused', async () => {
    const { url } = await serve(() => ({ status: 200 }), { method: 'POST' });
    const { port, host } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    let answers = '';
    socket.on('data', (data) => {
      answers += data;
    });
    for (const [path, status] of [
      ['/nothing', 404],
      ['/x', 200],
      ['/nothing', 404],
    ] as const) {
      socket.write(`POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 2\r\n\r\n{}`);
      await until('its answer', () => answers.includes(`HTTP/1.1 ${status} `));
      expect(answers).not.toMatch(/connection: close/i);
      answers = '';
    }
  });
});

describe('close', () => {
  it('lets a running response finish', async () => {
    let release = () => {};
    let entered = () => {};
    const inside = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const { url } = await serve(async () => {
      entered();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return { status: 200, body: { done: true } };
    });
    const answer = fetch(url);
    await inside;
    const closed = server?.close(10_000);
    release();
    expect(await (await answer).json()).toEqual({ done: true });
    await closed;
    await expect(fetch(url)).rejects.toThrow();
    server = undefined;
  });

  it('cuts responses that take longer than the grace period', async () => {
    const { url } = await serve(() => new Promise(() => {}));
    const answer = fetch(url).catch((error: unknown) => error);
    await server?.close(50);
    expect(await answer).toBeInstanceOf(TypeError);
    server = undefined;
  });
});

it('logs the id of the request with its failure and with the lines of its handler', async () => {
  const { url, logged } = await serve(({ log }) => {
    log.info('about to fail');
    throw new Error('no reason');
  });
  await fetch(url, { headers: { 'X-Request-Id': 'r-1' } });
  const lines = logged.map((line) => JSON.parse(line) as { message: string; request_id?: string });
  expect(lines.map(({ message, request_id }) => [message, request_id])).toEqual([
    ['about to fail', 'r-1'],
    ['a request failed with an internal error', 'r-1'],
    ['request', 'r-1'],
  ]);
});

describe('a path of another API', () => {
  const dialect: Dialect = { prefix: '/x', problem: ({ code, status }) => ({ status, body: { wrong: code } }) };
  const asked = async (url: string, init: RequestInit = {}) => {
    const answer = await fetch(url, init);
    return [answer.status, await answer.json()];
  };

  it('answers every error in the format of that API', async () => {
    const { url } = await serve(
      ({ refuse }) => refuse(new FleetError('range_not_satisfiable', 'It is short.'), { 'Content-Range': 'bytes */1' }),
      { dialects: [dialect] },
    );
    expect(await asked(`${url}/none`)).toEqual([404, { wrong: 'not_found' }]);
    expect(await asked(url, { method: 'DELETE' })).toEqual([405, { wrong: 'method_not_allowed' }]);
    const answer = await fetch(url);
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */1']);
    const origin = new URL('/none', url).href;
    expect((await problemOf(await fetch(origin))).code).toBe('not_found');
  });

  it('does so for a refused caller, a body that is too large and an internal error', async () => {
    const admit = () => Promise.reject(new FleetError('unauthorized', 'Who?'));
    const refused = await serve(() => ({ status: 200 }), { dialects: [dialect], admit });
    expect(await asked(refused.url)).toEqual([401, { wrong: 'unauthorized' }]);
    await server?.close(0);
    const { url } = await serve(() => Promise.reject(new Error('inside')), {
      dialects: [dialect],
      method: 'POST',
      reads: 'loose',
    });
    expect(await asked(url, { method: 'POST', body: `"${'x'.repeat(2000)}"` })).toEqual([
      413,
      { wrong: 'body_too_large' },
    ]);
    expect(await asked(url, { method: 'POST', body: '{}' })).toEqual([500, { wrong: 'internal_error' }]);
  });
});

describe('a loose body', () => {
  it.each(['text/plain;charset=UTF-8', 'application/x-www-form-urlencoded', 'application/json', undefined])(
    'sent as %s is read as JSON, with exact numbers and within its limits',
    async (type) => {
      const { url } = await serve(({ body }) => ({ status: 200, body: showJson(body) }), {
        method: 'POST',
        reads: 'loose',
      });
      const post = (body: string) =>
        fetch(url, {
          method: 'POST',
          body: Buffer.from(body),
          ...(type === undefined ? {} : { headers: { 'Content-Type': type } }),
        });
      expect(await (await post('{"seed":18446744073709551615}')).text()).toBe('{"seed":18446744073709551615}');
      expect((await post('['.repeat(200) + ']'.repeat(200))).status).toBe(413);
    },
  );
});

describe('a request that outlasts its key', () => {
  const silence = (signal: AbortSignal) => new Promise<never>((_, reject) => signal.addEventListener('abort', reject));
  const EVENTS = { 'Content-Type': 'text/event-stream' };
  const sending =
    (headers: Record<string, string>): Handler =>
    ({ signal }) => {
      const parts = async function* () {
        yield ': hello\n\n';
        await silence(signal).catch(() => undefined);
      };
      return { status: 200, headers, body: Readable.from(parts()) };
    };
  const wait: Handler = ({ signal }) => silence(signal);
  const kinds: [string, Pick<Served, 'held'>, Handler, Caller | undefined][] = [
    ['stream of events', {}, sending(EVENTS), anonymousCaller],
    ['stream of events by a link', {}, sending(EVENTS), undefined],
    ['download', {}, sending({ 'Content-Type': 'video/mp4', 'Content-Length': '100' }), anonymousCaller],
    ['wait', {}, wait, anonymousCaller],
    ['held answer', { held: true }, wait, anonymousCaller],
  ];
  /** Admits the caller until its key is revoked. */
  const revocable = (caller: Caller | undefined) => {
    const state = { admitted: 0, revoked: false };
    const admit = async () => {
      if (state.revoked) throw new FleetError('unauthorized', 'This API key does not exist or was revoked.');
      state.admitted += 1;
      return caller;
    };
    return { state, admit };
  };

  it.each(kinds)('is cut off when it is a %s', async (_kind, route, handler, caller) => {
    const { state, admit } = revocable(caller);
    const handled = new AbortController();
    const { url } = await serve(
      (request) => {
        request.signal.addEventListener('abort', () => handled.abort());
        state.revoked = true;
        return handler(request);
      },
      { admit, ...route },
    );
    await expect(fetch(url).then((answer) => answer.text())).rejects.toThrow();
    await until('the handler to be aborted', () => handled.signal.aborted);
  });

  it('is cut off while its body arrives', async () => {
    const { state, admit } = revocable(anonymousCaller);
    const { url } = await serve(() => ({ status: 200 }), { method: 'POST', reads: 'json', admit });
    const { port, host } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `POST /x HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"half":`,
    );
    await until('it is admitted', () => state.admitted > 0);
    state.revoked = true;
    await once(socket, 'close');
  });

  it('is not cut off when it is a download by a link, unlike events by a link', async () => {
    const { state, admit } = revocable(undefined);
    const expired = new AbortController();
    const file = async function* () {
      yield 'begin';
      await silence(expired.signal).catch(() => undefined);
      yield ' end';
    };
    const { url } = await serve(
      (request) =>
        request.query.has('events') ? sending(EVENTS)(request) : { status: 200, body: Readable.from(file()) },
      { admit },
    );
    const download = await fetch(url);
    const events = await fetch(`${url}?events`);
    state.revoked = true;
    await expect(events.text()).rejects.toThrow();
    expired.abort();
    expect(await download.text()).toBe('begin end');
  });

  it('continues while the key cannot be checked', async () => {
    let checks = 0;
    const admit = async () => {
      checks += 1;
      if (checks > 1) throw new FleetError('queue_unavailable', 'Redis is away.');
      return anonymousCaller;
    };
    const { url } = await serve(
      async () => {
        await until('it was checked again', () => checks > 3);
        return { status: 200, body: 'done' };
      },
      { admit, held: true },
    );
    expect(await (await fetch(url)).text()).toBe('done');
  });
});
