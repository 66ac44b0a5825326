import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { arrivingAtComfyui } from '../../src/facades/comfyui/target.js';

/** The target of a request after it was rewritten, and the headers that may contain a key. */
function arrived(url: string, headers: Record<string, string> = {}) {
  const request = { url, headers: { ...headers } } as unknown as IncomingMessage;
  arrivingAtComfyui(request);
  const { authorization, 'x-api-key': key } = request.headers;
  return { url: request.url, ...(authorization && { authorization }), ...(key && { key }) };
}

describe('a request below /comfyui', () => {
  it.each([
    ['/comfyui/prompt', '/comfyui/prompt'],
    ['/comfyui/api/prompt', '/comfyui/prompt'],
    ['/comfyui//api//history/x?max_items=2', '/comfyui/history/x?max_items=2'],
    ['/ComfyUI/api/queue', '/comfyui/queue'],
    ['/comfyui/api', '/comfyui/'],
    ['/comfyui', '/comfyui/'],
    ['/comfyui/apis', '/comfyui/apis'],
    ['http://host:1/comfyui/api/ws?clientId=a', '/comfyui/ws?clientId=a'],
  ])('rewrites %s to %s', (given, url) => {
    expect(arrived(given)).toEqual({ url });
  });

  it.each([
    ['in the path', '/comfyui/k/s3cret/prompt', '/comfyui/prompt'],
    ['in the path before /api', '/comfyui/k/s3cret//api/history?offset=1', '/comfyui/history?offset=1'],
    ['in the path, encoded', '/comfyui/k/s3%63ret/ws', '/comfyui/ws'],
    ['as the token', '/comfyui/view?a=%20b&token=s3cret&c', '/comfyui/view?a=%20b&c'],
    ['as the token with an encoded name', '/comfyui/ws?t%6fken=s3cret', '/comfyui/ws'],
  ])('moves the key %s to the header X-API-Key', (_, given, url) => {
    expect(arrived(given)).toEqual({ url, key: 's3cret' });
  });

  it('uses the key in the path, whatever keys the headers have', () => {
    expect(
      arrived('/comfyui/k/mine/prompt?token=x', { authorization: 'Bearer theirs', 'x-api-key': 'theirs' }),
    ).toEqual({
      url: '/comfyui/prompt',
      key: 'mine',
    });
  });

  it('uses the token only if no header has a key', () => {
    expect(arrived('/comfyui/prompt?token=t', { authorization: 'Bearer b' })).toEqual({
      url: '/comfyui/prompt',
      authorization: 'Bearer b',
    });
    expect(arrived('/comfyui/prompt?token=t', { authorization: 'Bearer ' })).toEqual({
      url: '/comfyui/prompt',
      key: 't',
    });
  });
});

const MADE = `cf_${'k-3_'.repeat(10)}abc`;

it.each([
  [`/comfyui/api/k/${MADE}/queue`, '/comfyui/k/<key>/queue'],
  [`/comfyui/comfyui/k/${MADE}/queue?a=b`, '/comfyui/comfyui/k/<key>/queue?a=b'],
  [`/comfyui/k%2F${MADE}/queue`, '/comfyui/k%2F<key>/queue'],
  [`/k/${MADE}/queue?a?b`, '/k/<key>/queue?a?b'],
  [`http://host:1/api/k/${MADE}`, '/api/k/<key>'],
])('masks the key in a path of the wrong form: %s', (given, url) => {
  expect(arrived(given)).toEqual({ url });
});

it.each(['/comfyuix/k/s/prompt', '/jobs?token=t', '/k/s/prompt', '*', '/%63omfyui/k/s'])('leaves %s alone', (url) => {
  expect(arrived(url)).toEqual({ url });
});
