import { describe, expect, it } from 'vitest';
import { createSafeHttp } from '../src/index.js';

const refusal = (allow: string, url: string) => createSafeHttp({ allow: [allow] }).refusal(url);

describe('what an operator allows', () => {
  it.each([
    ['receiver', 'http://receiver/hook'],
    ['receiver', 'http://RECEIVER.:8080/hook'],
    ['Hooks.Corp.Internal', 'https://hooks.corp.internal/hook'],
    ['receiver:8080', 'http://receiver:8080/hook'],
    ['münchen.local', 'http://xn--mnchen-3ya.local/hook'],
    ['127.0.0.1', 'http://127.0.0.1:8080/hook'],
    ['127.0.0.1:8080', 'http://127.0.0.1:8080/hook'],
    ['127.0.0.1:80', 'http://127.0.0.1/hook'],
    ['127.0.0.1', 'http://[::ffff:127.0.0.1]/hook'],
    ['10.0.0.0/8', 'http://10.1.2.3/hook'],
    ['10.0.0.0/8:8080', 'http://10.1.2.3:8080/hook'],
    ['10.0.0.0/8', 'http://receiver.internal/hook'],
    ['::1', 'http://[::1]:8080/hook'],
    ['[::1]:8080', 'http://[::1]:8080/hook'],
    ['fd00::/8', 'http://[fd12::1]/hook'],
    ['[fd00::/8]:8080', 'http://[fd12::1]:8080/hook'],
    ['receiver:6379', 'http://receiver:6379/hook'],
    ['10.0.0.0/8:6379', 'http://10.1.2.3:6379/hook'],
  ])('%s lets %s through', (allow, url) => {
    expect(refusal(allow, url)).toBeUndefined();
  });

  it.each([
    ['receiver', 'http://receiver.local/hook', 'The host name in the URL is not a public one.'],
    ['receiver:8080', 'http://receiver/hook', 'The host name in the URL is not a public one.'],
    ['receiver', 'http://receiver:6379/hook', 'The URL must not name the port 6379.'],
    ['127.0.0.1', 'http://127.0.0.2/hook', 'The address in the URL is not a public one.'],
    ['127.0.0.1:8080', 'http://127.0.0.1:8081/hook', 'The address in the URL is not a public one.'],
    ['10.0.0.0/8:8080', 'http://receiver.internal/hook', 'The host name in the URL is not a public one.'],
    ['10.0.0.0/8', 'http://11.0.0.1:22/hook', 'The URL must not name the port 22.'],
    ['0.0.0.0/0', 'http://[::1]/hook', 'The address in the URL is not a public one.'],
    ['::/0', 'http://127.0.0.1/hook', 'The address in the URL is not a public one.'],
  ])('%s does not let %s through', (allow, url, says) => {
    expect(refusal(allow, url)).toBe(says);
  });

  it.each([
    '',
    'http://receiver/',
    'user@receiver',
    'receiver/hook',
    '10.0.0.0/33',
    '[::1',
    'receiver:0',
    'a:65536',
    '127.1',
    'a b',
  ])('cannot be written as "%s"', (entry) => {
    expect(() => createSafeHttp({ allow: ['receiver', entry] })).toThrow(
      `"${entry}" is not a host, address or CIDR block, with or without a port.`,
    );
  });
});

describe('what is public', () => {
  it.each([
    'http://8.8.8.8/',
    'https://172.32.0.1/',
    'http://100.128.0.1/',
    'http://[2606:4700::1111]/',
    'http://[::ffff:8.8.8.8]/',
    'https://public.example:8443/hook?job=1#part',
    'http://1.1.1.1:65535/',
    'http://local.example/',
    'http://bücher.example/',
  ])('%s needs no permission', (url) => {
    expect(createSafeHttp({ allow: [] }).refusal(url)).toBeUndefined();
  });
});
