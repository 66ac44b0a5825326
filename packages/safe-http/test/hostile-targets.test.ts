import { readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { createServer as createTlsServer } from 'node:tls';
import { FleetError } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createSafeHttp, type Resolver, type SafeHttp } from '../src/index.js';
import { type HostileServer, startHostileServer } from './hostile-server.js';
import { BITING, HOSTILE_TARGETS, type HostileTarget } from './hostile-targets.js';

const fixture = (name: string) => readFile(new URL(`fixtures/${name}`, import.meta.url));

let inner: HostileServer;
let outer: HostileServer;
let tls: HostileServer;
beforeAll(async () => {
  inner = await startHostileServer();
  outer = await startHostileServer();
  const secured = createTlsServer({
    cert: await fixture('self-signed.pem'),
    key: await fixture('self-signed-key.pem'),
  });
  tls = await startHostileServer(secured.on('tlsClientError', () => undefined));
});
afterAll(() => Promise.all([inner, outer, tls].map((server) => server.close())));

const fill = (url: string) =>
  url.replaceAll('{inner}', `${inner.port}`).replaceAll('{outer}', `${outer.port}`).replaceAll('{tls}', `${tls.port}`);

function resolverOf(dns: HostileTarget['dns'] = {}): Resolver {
  const left = new Map(Object.entries(dns).map(([name, answers]) => [name, [...answers]]));
  return async (host) => {
    const answers = left.get(host) ?? [];
    const [first] = answers.length > 1 ? answers.splice(0, 1) : answers;
    if (first === undefined) throw Object.assign(new Error('no such name'), { syscall: 'queryA', code: 'ENOTFOUND' });
    return first;
  };
}

const guarded = ({ dns }: HostileTarget): SafeHttp =>
  createSafeHttp({ allow: [`127.0.0.1:${outer.port}`, `127.0.0.1:${tls.port}`], resolve: resolverOf(dns) });

const { signal } = new AbortController();
const fetchIt = async (http: SafeHttp, url: string, timeoutMs = 10_000) => {
  const { data } = await http.get(url, { maxBytes: 1000, timeoutMs, accept: 'image/png', signal });
  return { outcome: 'fetched', says: data.toString() };
};
const postIt = async (http: SafeHttp, url: string) => {
  const { status, answer } = await http.post(url, { body: '{}', headers: {}, timeoutMs: 10_000, signal });
  return { outcome: `answered ${status}`, says: answer };
};

async function whatHappens(asked: Promise<{ outcome: string; says: string }>) {
  return asked.catch((error: unknown) => {
    if (!(error instanceof FleetError)) throw error;
    return { outcome: error.code as string, says: error.detail };
  });
}

/** Written out in full: the names of these tests are a table of attacks and outcomes. */
const asked = ({ name, url }: HostileTarget) =>
  `${name}: ${JSON.stringify(url.length > 200 ? `${url.slice(0, 40)}…` : url)}`;

describe('a hostile target', () => {
  for (const target of HOSTILE_TARGETS) {
    it(`${asked(target)} → ${target.outcome}: ${target.says}`, async () => {
      const http = guarded(target);
      const url = fill(target.url);
      const onItsFace = target.outcome === 'refused on its face';
      expect(http.refusal(url)).toBe(onItsFace ? target.says : undefined);
      const outcome = onItsFace ? 'url_not_allowed' : target.outcome;
      expect(await whatHappens(fetchIt(http, url, target.timeoutMs))).toEqual({ outcome, says: target.says });
      expect(inner.connections).toBe(0);
      await until('no connection is left open', () => outer.open + tls.open === 0);
    });
  }

  it('is tried in more than 40 ways, each with a unique name', () => {
    expect(HOSTILE_TARGETS.length).toBeGreaterThan(40);
    expect(new Set(HOSTILE_TARGETS.map(({ name }) => name)).size).toBe(HOSTILE_TARGETS.length);
  });
});

describe('a hostile target of a webhook', () => {
  // A webhook does not follow a redirect, so its outcome differs.
  const refused = HOSTILE_TARGETS.filter(
    ({ outcome }) => outcome === 'refused on its face' || outcome === 'url_not_allowed',
  );
  for (const target of refused.filter(({ url }) => !url.startsWith('http://127.0.0.1:{outer}/'))) {
    if (target.name === 'DNS that changes between two hops') continue;
    it(`${asked(target)} → url_not_allowed: ${target.says}`, async () => {
      const outcome = 'url_not_allowed';
      expect(await whatHappens(postIt(guarded(target), fill(target.url)))).toEqual({ outcome, says: target.says });
      expect(inner.connections).toBe(0);
    });
  }

  it('that redirects inward → answered 302, and is not followed', async () => {
    const url = fill(`http://127.0.0.1:{outer}/to?${encodeURIComponent(fill('http://127.0.0.1:{inner}/'))}`);
    const http = createSafeHttp({ allow: [`127.0.0.1:${outer.port}`] });
    expect(await whatHappens(postIt(http, url))).toEqual({ outcome: 'answered 302', says: '' });
    expect(inner.connections).toBe(0);
  });
});

describe('the environment', () => {
  it('cannot turn off the check of certificates', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    onTestFinished(() => void vi.unstubAllEnvs());
    const http = createSafeHttp({ allow: ['127.0.0.1'] });
    const asked = whatHappens(fetchIt(http, fill('https://127.0.0.1:{tls}/picture')));
    expect(await asked).toMatchObject({ outcome: 'url_unreachable', says: expect.stringContaining('certificate') });
  });
});

describe('a client without the guard', () => {
  for (const { name, url } of BITING) {
    it(`gets the secret by ${name}`, async () => {
      const open = await startHostileServer();
      try {
        const secret = await new Promise<string>((resolve, reject) => {
          get(new URL(url.replaceAll('{inner}', `${open.port}`)), (answer) => resolve(text(answer))).on(
            'error',
            reject,
          );
        });
        expect(secret).toBe('secret');
      } finally {
        await open.close();
      }
    });
  }
});
