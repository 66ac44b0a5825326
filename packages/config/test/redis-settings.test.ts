import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../src/index.js';

let dir: string;
const file = (name: string, text: string) => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
const faultsOf = (env: Record<string, string>): readonly string[] => {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
};

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'redis-settings-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the settings of Redis', () => {
  it('are one server without TLS and without waiting for replicas when only REDIS_URL is set', () => {
    expect(loadConfig({ REDIS_URL: 'redis://redis:6380/2' }).redis).toEqual({
      url: 'redis://redis:6380/2',
      prefix: '{comfy-fleet}',
      timeoutMs: 800,
      sentinel: undefined,
      cluster: undefined,
      tls: undefined,
      wait: undefined,
    });
  });

  it('have the Sentinels, the name of the primary, and their password', () => {
    const env = { REDIS_SENTINELS: 'one:26379, 10.0.0.2:26380,[::1]:26381', REDIS_SENTINEL_PASSWORD: 'secret' };
    expect(loadConfig(env).redis.sentinel).toEqual({
      nodes: [
        { host: 'one', port: 26379 },
        { host: '10.0.0.2', port: 26380 },
        { host: '::1', port: 26381 },
      ],
      name: 'mymaster',
      password: 'secret',
    });
    expect(loadConfig({ ...env, REDIS_SENTINEL_NAME: 'fleet' }).redis.sentinel?.name).toBe('fleet');
  });

  it('have the nodes of a Cluster', () => {
    expect(loadConfig({ REDIS_CLUSTER: 'a:7000,b:7001' }).redis.cluster).toEqual([
      { host: 'a', port: 7000 },
      { host: 'b', port: 7001 },
    ]);
  });

  it('have the contents of the PEM files for rediss://', () => {
    const env = {
      REDIS_URL: 'rediss://redis:6379',
      REDIS_CA_FILE: file('ca.pem', 'the ca'),
      REDIS_CERT_FILE: file('cert.pem', 'the certificate'),
      REDIS_KEY_FILE: file('key.pem', 'the key'),
    };
    expect(loadConfig(env).redis.tls).toEqual({ ca: 'the ca', cert: 'the certificate', key: 'the key' });
    expect(loadConfig({ REDIS_URL: 'rediss://redis:6379' }).redis.tls).toEqual({});
  });

  it('have the number of replicas and how long to wait for them', () => {
    expect(loadConfig({ REDIS_WAIT_REPLICAS: '2' }).redis.wait).toEqual({ replicas: 2, ms: 500 });
  });

  it.each([
    [{ REDIS_SENTINELS: 'a:1', REDIS_CLUSTER: 'b:2' }, ['REDIS_SENTINELS and REDIS_CLUSTER are both set']],
    [{ REDIS_SENTINELS: 'a' }, ['REDIS_SENTINELS=a: does not have the form it needs']],
    [{ REDIS_CLUSTER: 'redis://a:1' }, ['REDIS_CLUSTER=redis://a:1: does not have the form it needs']],
    [{ REDIS_CLUSTER: 'a:1', REDIS_URL: 'redis://a/3' }, ['REDIS_URL: names a database; a Cluster']],
    [{ REDIS_URL: 'redis://user:a b@[' }, ['REDIS_URL: is not an address']],
    [
      { REDIS_CA_FILE: '/not/there.pem' },
      [
        'REDIS_CA_FILE=/not/there.pem: is only used with TLS, but REDIS_URL does not begin with rediss://',
        'REDIS_CA_FILE=/not/there.pem: cannot be read (ENOENT)',
      ],
    ],
  ])('refuse %j', (env, beginnings) => {
    expect(faultsOf(env)).toEqual(beginnings.map((text) => expect.stringContaining(text)));
  });

  it('refuse a certificate without its key', () => {
    const env = { REDIS_URL: 'rediss://redis:6379', REDIS_CERT_FILE: file('lonely.pem', 'x') };
    expect(faultsOf(env)).toEqual(['REDIS_CERT_FILE and REDIS_KEY_FILE: each needs the other']);
  });
});

describe('a secret in a file', () => {
  it('is its text without the trailing line break', () => {
    const path = file('url', 'redis://:secret@redis:6379\n');
    expect(loadConfig({ REDIS_URL_FILE: path }).redis.url).toBe('redis://:secret@redis:6379');
  });

  it('is refused when the variable is set as well, without showing it', () => {
    const faults = faultsOf({ REDIS_URL: 'redis://:secret@a', REDIS_URL_FILE: file('url', 'redis://:secret@b') });
    expect(faults).toEqual(['REDIS_URL and REDIS_URL_FILE are both set: keep one of them']);
  });

  it('is refused with the path when there is no such file, together with every other error', () => {
    expect(faultsOf({ REDIS_URL_FILE: '/not/there', PORT: 'x' })).toEqual([
      'REDIS_URL_FILE=/not/there: cannot be read (ENOENT)',
      'PORT=x: must be a whole number',
    ]);
  });

  it('is refused when the file is empty', () => {
    const path = file('empty', '\n');
    expect(faultsOf({ REDIS_SENTINEL_PASSWORD_FILE: path })).toEqual([
      `REDIS_SENTINEL_PASSWORD_FILE=${path}: the file is empty`,
    ]);
  });

  it('is not shown when it is invalid', () => {
    const faults = faultsOf({ WEBHOOK_SECRETS_FILE: file('hook', 'my secret') });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^WEBHOOK_SECRETS: does not have the form/);
    expect(faults[0]).not.toContain('my secret');
  });

  it('is only for secrets: no file is read for another setting', () => {
    expect(loadConfig({ LOG_LEVEL_FILE: '/not/there' }).log.level).toBe('info');
  });
});
