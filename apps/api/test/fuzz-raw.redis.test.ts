import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startApi, type TestApi } from './api.js';
import { allFiles, allJobs, faultsOf } from './fuzz/client.js';
import { answersOf, exchange } from './fuzz/raw-http.js';

const RUNS = 100;
const AT_ONCE = 10;
const PATIENCE_MS = 600_000;

let api: TestApi;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { overrides: { http: { maxJsonBytes: 10_000 } } });
});
afterAll(() => api.close());

/** Requests as clients, proxies and scanners send them. None of them should create a job. */
const REQUESTS = [
  '\r\n\r\n',
  'GET\r\n\r\n',
  'GET /\r\n\r\n',
  'GET / HTTP/0.9\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  'GET / HTTP/9.9\r\nHost: localhost\r\n\r\n',
  'get / http/1.1\r\nHost: localhost\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  'GET http://evil.example/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  'GET //evil.example/%2e%2e HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  'GET /images/%ff%c0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  'GET /images/\u00ff\u0001 HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /jobs/\u0000 HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /jobs?a b HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET ?x HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET #x HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /lods HTTP/1.1\r\nHost: localhost\r\nHost: y\r\nConnection: close\r\n\r\n',
  'GET /lods HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n',
  'GET /lods HTTP/1.1\r\nHost: localhost\r\nBad Header: y\r\n\r\n',
  'GET /lods HTTP/1.1\r\nHost: localhost\r\nX: a\u0000b\r\n\r\n',
  'GET /lods HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n',
  'GET /lods HTTP/1.1\nHost: x\n\n',
  'GET /lods HTTP/1.1\r\nHost: localhost\r\n folded: y\r\n\r\n',
  `GET /lods HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `GET /lods HTTP/1.1\r\nHost: localhost\r\n${'X: y\r\n'.repeat(3000)}\r\n`,
  'GET /lods HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n',
  'GET /lods HTTP/1.1\r\nHost: localhost\r\nExpect: nothing\r\nConnection: close\r\n\r\n',
  'GET /lods HTTP/1.0\r\n\r\n',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1e3\r\n\r\n{}',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n{}',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nffffffffffffffffff\r\n{}\r\n',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n{}',
  'POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}GET /lods HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  'GET /lods HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\nnonsense\r\n\r\n',
  `POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50000\r\nConnection: close\r\n\r\n${'x'.repeat(50_000)}`,
  'POST /img2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 4\r\nConnection: close\r\n\r\n--b\r',
].map((text) => Buffer.from(text, 'latin1'));

/** One of these requests, truncated or with a byte removed, inserted or changed. */
const spoiled = fc
  .tuple(
    fc.constantFrom(...REQUESTS),
    fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('out', 'in', 'changed', 'cut')), { maxLength: 3 }),
  )
  .map(([request, changes]) =>
    changes.reduce((bytes, [at, value, what]) => {
      const index = bytes.length === 0 ? 0 : at % bytes.length;
      const [before, after] = [bytes.subarray(0, index), bytes.subarray(index)];
      if (what === 'cut') return before;
      if (what === 'out') return Buffer.concat([before, after.subarray(1)]);
      return Buffer.concat([before, Buffer.from([value]), what === 'in' ? after : after.subarray(1)]);
    }, request),
  );

async function faultsAfter(bytes: Buffer): Promise<string[]> {
  const answers = answersOf(await exchange(api.port, bytes));
  // Checks responses as if to GET. A mutation could only turn a request into a HEAD by chance.
  return answers
    .flatMap((answer) => faultsOf(answer, 'GET'))
    .map((fault) => `${JSON.stringify(bytes.toString('latin1').slice(0, 300))}: ${fault}`);
}

describe('malformed HTTP', () => {
  it.each(REQUESTS.map((request, index) => [index, request] as const))(
    'is answered with a problem, or by closing the connection: example %i',
    async (_index, request) => {
      expect(await faultsAfter(request)).toEqual([]);
    },
  );

  it(
    'is answered likewise after random mutations, and the API continues to serve',
    async () => {
      const batch = fc.array(spoiled, { minLength: AT_ONCE, maxLength: AT_ONCE });
      const check = fc.asyncProperty(batch, async (requests) => {
        expect((await Promise.all(requests.map(faultsAfter))).flat()).toEqual([]);
      });
      await fc.assert(check, { numRuns: RUNS, endOnFailure: true });
      expect((await api.get('/lods')).status).toBe(200);
    },
    PATIENCE_MS,
  );

  it('leaves no job, no file, and no error in the log', async () => {
    expect([...(await allJobs(api, 'anybody'))]).toEqual([]);
    expect(await allFiles(api)).toEqual([]);
    expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
