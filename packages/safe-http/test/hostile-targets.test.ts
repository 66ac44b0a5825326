import { readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { createServer as createTlsServer } from 'node:tls';
import { FleetError } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
const fetchIt = async (http: SafeHttp, url: string) => {
  const { data } = await http.get(url, { maxBytes: 1000, timeoutMs: 500, accept: 'image/png', signal });
  return { outcome: 'fetched', says: data.toString() };
};
const postIt = async (http: SafeHttp, url: string) => {
  const { status, answer } = await http.post(url, { body: '{}', headers: {}, timeoutMs: 500, signal });
  return { outcome: `answered ${status}`, says: answer };
};

async function whatHappens(asked: Promise<{ outcome: string; says: string }>) {
  return asked.catch((error: unknown) => {
    if (!(error instanceof FleetError)) throw error;
    return { outcome: error.code as string, says: error.detail };
  });
}

describe('a hostile target', () => {
  it.each(HOSTILE_TARGETS)('$name: $url → $outcome: $says', async (target) => {
    const http = guarded(target);
    const url = fill(target.url);
    const onItsFace = target.outcome === 'refused on its face';
    expect(http.refusal(url)).toBe(onItsFace ? target.says : undefined);
    const outcome = onItsFace ? 'url_not_allowed' : target.outcome;
    expect(await whatHappens(fetchIt(http, url))).toEqual({ outcome, says: target.says });
    expect(inner.connections).toBe(0);
    await until('no connection is left open', () => outer.open + tls.open === 0);
  });

  const refused = HOSTILE_TARGETS.filter(
    ({ outcome, url }) => outcome === 'refused on its face' || (outcome === 'url_not_allowed' && !url.includes('to?')),
  ).filter(({ url }) => !url.includes('endless-redirect'));
  it.each(refused)('gets no webhook either: $name', async (target) => {
    const http = guarded(target);
    expect(await whatHappens(postIt(http, fill(target.url)))).toEqual({
      outcome: 'url_not_allowed',
      says: target.says,
    });
    expect(inner.connections).toBe(0);
  });

  it('is tried in more than 40 ways, each under a name of its own', () => {
    expect(HOSTILE_TARGETS.length).toBeGreaterThan(40);
    expect(new Set(HOSTILE_TARGETS.map(({ name }) => name)).size).toBe(HOSTILE_TARGETS.length);
  });
});

describe('a client without the guard', () => {
  it.each(BITING)('gets the secret by $name', async ({ url }) => {
    const open = await startHostileServer();
    try {
      const secret = await new Promise<string>((resolve, reject) => {
        get(new URL(url.replaceAll('{inner}', `${open.port}`)), (answer) => resolve(text(answer))).on('error', reject);
      });
      expect(secret).toBe('secret');
    } finally {
      await open.close();
    }
  });
});
