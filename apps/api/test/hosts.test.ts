import { describe, expect, it } from 'vitest';
import { createHostCheck } from '../src/server/gate.js';

const OPEN = { isOpen: true, host: '127.0.0.1', publicUrl: undefined };

const asked = (options: Parameters<typeof createHostCheck>[0], ...hosts: string[]) => {
  const rawHeaders = ['Accept', '*/*', ...hosts.flatMap((host) => ['hOst', host])];
  return createHostCheck(options)({ httpVersion: '1.1', rawHeaders })?.code;
};

describe('an API without keys on loopback', () => {
  it.each([
    'localhost',
    'localhost:3000',
    'LOCALHOST',
    'app.localhost:3000',
    '127.0.0.1:3000',
    '127.1.2.3',
    '[::1]:3000',
  ])('serves %s', (host) => expect(asked(OPEN, host)).toBeUndefined());

  it.each([
    'evil.example',
    'evil.example:3000',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.5',
    'gpu-box',
    '',
    'a b',
    'localhost@evil.example',
    '[::2]',
  ])('does not serve %j', (host) => expect(asked(OPEN, host)).toBe('wrong_host'));

  it('serves the host of PUBLIC_URL, whatever its port', () => {
    const options = { ...OPEN, publicUrl: 'https://comfy.studio.example/api' };
    expect(asked(options, 'comfy.studio.example')).toBeUndefined();
    expect(asked(options, 'Comfy.Studio.Example:8443')).toBeUndefined();
    expect(asked(options, 'evil.example')).toBe('wrong_host');
  });
});

describe('an API without keys on other addresses', () => {
  const options = { ...OPEN, host: '0.0.0.0' };

  it.each([
    '10.0.0.5:3000',
    '[fd00::1]:3000',
    'api:3000',
    'gpu-box',
    'gpu-box.local',
    'api.fleet.svc',
    'localhost',
    'host.docker.internal',
  ])('serves %s, which no stranger can point to it', (host) => expect(asked(options, host)).toBeUndefined());

  it.each(['evil.example', '10.0.0.5.evil.example', 'evil.local.example'])('does not serve %s', (host) =>
    expect(asked(options, host)).toBe('wrong_host'),
  );
});

describe('an API with keys', () => {
  const options = { ...OPEN, isOpen: false };

  it('serves any host', () => expect(asked(options, 'anything.example')).toBeUndefined());

  it('refuses a request with two Host headers or without one', () => {
    expect(asked(options, 'a', 'a')).toBe('malformed_request');
    expect(asked(options)).toBe('malformed_request');
  });

  it('accepts HTTP/1.0 without a Host header', () => {
    expect(createHostCheck(options)({ httpVersion: '1.0', rawHeaders: [] })).toBeUndefined();
  });
});
