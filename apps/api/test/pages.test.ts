import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import express from 'express';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createOpenStreams } from '../src/server/key-limits.js';
import { type Listening, listen } from '../src/server/listen.js';
import { beginRequest, createInstruments } from '../src/server/locals.js';
import { docsPages } from '../src/server/pages.js';

const BUNDLE = 'swagger-ui-bundle.js';

let server: Listening;
beforeAll(async () => {
  server = await listen({ host: '127.0.0.1', port: 0, idleMs: 3_600_000 });
  const log = createLogger({ service: 'api', level: 'error' });
  const instruments = createInstruments(createMetrics({ service: 'api', log }));
  const downloads = createOpenStreams({ most: 100, mostOfKey: 100, reservedForKey: 0 });
  const begin = beginRequest({ dialects: [], instruments, downloads, log });
  server.serve(
    express()
      .use(begin)
      .use('/docs', await docsPages(undefined)),
  );
});
afterAll(() => server.close(0));

/** Like a browser that has the file. By default, fetch would add `Cache-Control: no-cache` to If-None-Match. */
function ask(file: string, headers: Record<string, string>, method = 'GET'): Promise<Response> {
  const url = `http://127.0.0.1:${server.port}/docs/${file}`;
  return fetch(url, { headers: { 'cache-control': 'max-age=0', ...headers }, method });
}

it('redirects to its address with a trailing slash, from which its links are relative', async () => {
  const url = `http://127.0.0.1:${server.port}/docs`;
  const { status, headers } = await fetch(url, { redirect: 'manual' });
  expect([status, headers.get('location')]).toEqual([308, 'docs/']);
  const page = await (await fetch(url)).text();
  for (const [, link] of page.matchAll(/src="([^"]+)"/g))
    expect([link, (await ask(link as string, {})).status]).toEqual([link, 200]);
});

it('has the files of a page ready in a compressed and a plain form', async () => {
  const [gzipped, plain, head] = await Promise.all([
    ask(BUNDLE, { 'accept-encoding': 'gzip, deflate, br' }),
    ask(BUNDLE, { 'accept-encoding': 'identity' }),
    ask(BUNDLE, { 'accept-encoding': 'gzip' }, 'HEAD'),
  ]);
  const text = await plain.text();
  expect(await gzipped.text()).toBe(text);
  const about = (name: string) => [gzipped, plain, head].map(({ headers }) => headers.get(name));
  expect(about('content-type')).toEqual(Array(3).fill('text/javascript; charset=utf-8'));
  expect(about('content-encoding')).toEqual(['gzip', null, 'gzip']);
  expect(about('vary')).toEqual(Array(3).fill('Accept-Encoding'));
  // What is compressed for each response has no length.
  const [short, long, shortToo] = about('content-length').map(Number);
  expect([long, shortToo]).toEqual([Buffer.byteLength(text), short]);
  expect(short).toBeGreaterThan(0);
  expect(short).toBeLessThan(Buffer.byteLength(text) / 3);
});

it('answers 304 to those who have the file', async () => {
  const { headers } = await ask(BUNDLE, {}, 'HEAD');
  const again = await ask(BUNDLE, { 'if-none-match': headers.get('etag') ?? '', 'accept-encoding': 'gzip' });
  expect([again.status, again.headers.get('cache-control')]).toEqual([304, 'public, max-age=300']);
  expect((await ask(BUNDLE, { 'if-none-match': '"another"' })).status).toBe(200);
});
