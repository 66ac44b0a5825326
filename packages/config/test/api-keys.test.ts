import { describe, expect, it } from 'vitest';
import { checkApiKeys, hashApiKey, parseApiKeys, readKeysFileSetting } from '../src/index.js';

const key = (id: string, more: object = {}) => ({ id, sha256: hashApiKey(`cf_${id}`), scopes: ['jobs'], ...more });
const parse = (...keys: readonly object[]) => parseApiKeys(JSON.stringify({ keys }), 'keys.json');

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

describe('the keys file', () => {
  it('may use every field of the schema', () => {
    const full = key('acme', {
      scopes: ['admin', 'jobs'],
      created_at: '2026-01-02T03:04:05.000Z',
      limits: { requests_per_minute: 1, jobs_waiting: 1, jobs_running: 1, upload_bytes_per_day: 0 },
      weight: 0.5,
      max_priority: -1,
      webhook: { url: 'https://example.com/hook', events: ['job.succeeded'], secrets: [SECRET, SECRET] },
    });
    expect(parse(full, key('other'))).toEqual([full, key('other')]);
  });

  it('may have no keys, and a byte order mark', () => {
    expect(parseApiKeys('\uFEFF{"keys":[]}', 'keys.json')).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['a wrong id', key('a', { id: 'A b' }), 'id must have 1 to 64 characters, only a-z, 0-9, _ and -'],
    ['the id of callers without a key', key('anonymous'), 'id must not be the name of callers without a key'],
    ['no id', key('a', { id: undefined }), 'id is missing'],
    [
      'a digest in capitals',
      key('a', { sha256: 'A'.repeat(64) }),
      'sha256 must be 64 hexadecimal digits in lower case',
    ],
    ['no scopes', key('a', { scopes: [] }), 'scopes must not be empty'],
    ['a scope twice', key('a', { scopes: ['jobs', 'jobs'] }), 'scopes has something twice'],
    ['an unknown scope', key('a', { scopes: ['jobs', 'root'] }), 'scopes may only have jobs, admin'],
    ['an unknown field', key('a', { limit: {} }), 'limit is not a known field'],
    ['an unknown limit', key('a', { limits: { rpm: 1 } }), 'limits.rpm is not a known field'],
    ['half a job', key('a', { limits: { jobs_waiting: 1.5 } }), 'limits.jobs_waiting must be a whole number'],
    ['a limit of 0', key('a', { limits: { jobs_running: 0 } }), 'limits.jobs_running must be 1 or more'],
    ['too large a weight', key('a', { weight: 101 }), 'weight must be 100 or less'],
    ['a priority that there is not', key('a', { max_priority: 3 }), 'max_priority must be 2 or less'],
    ['a webhook nowhere', key('a', { webhook: { url: '' } }), 'webhook.url must not be empty'],
    [
      'a webhook in a file',
      key('a', { webhook: { url: 'file:///etc/passwd' } }),
      'webhook.url must be an http:// or https:// address',
    ],
    ['a webhook without an address', key('a', { webhook: { url: 'https://' } }), 'webhook.url must be an http'],
    ['a long webhook', key('a', { webhook: { url: 'x'.repeat(2049) } }), 'webhook.url must have at most 2048 char'],
    [
      'an unknown event',
      key('a', { webhook: { events: ['job.begun'] } }),
      'webhook.events may only have job.succeeded',
    ],
    [
      'three secrets',
      key('a', { webhook: { secrets: [SECRET, SECRET, SECRET] } }),
      'webhook.secrets must have at most 2',
    ],
    ['a number as a key', 7 as unknown as object, 'it must be an object'],
  ])('with %s is refused, and told which of the keys has what', (_what, wrong, fault) => {
    expect(() => parse(key('first'), wrong)).toThrow(`keys.json: key no. 2: ${fault}`);
  });

  it('is refused with all its errors at once', () => {
    expect(checkApiKeys({ keys: [key('a', { scopes: 'jobs', weight: 0 }), {}], more: 1 }).faults).toEqual(
      expect.arrayContaining([
        { index: undefined, field: 'more', rule: 'is not a known field' },
        { index: 0, field: 'scopes', rule: 'must be a list' },
        { index: 0, field: 'weight', rule: 'must be 0.01 or more' },
        { index: 1, field: 'id', rule: 'is missing' },
        { index: 1, field: 'sha256', rule: 'is missing' },
        { index: 1, field: 'scopes', rule: 'is missing' },
      ]),
    );
  });

  it('is refused when two keys have one id or one digest', () => {
    expect(() => parse(key('a'), key('b'), key('a', { sha256: hashApiKey('other') }))).toThrow(
      'key no. 3: id is also that of key no. 1',
    );
    expect(() => parse(key('a'), key('b', { sha256: key('a').sha256 }))).toThrow(
      'key no. 2: sha256 is also that of key no. 1',
    );
  });

  it.each([
    ['a list', '[]', 'the file must be an object'],
    ['no list of keys', '{}', 'keys is missing'],
    ['an object of keys', '{"keys":{}}', 'keys must be a list'],
    ['nothing', '', 'is not valid JSON'],
  ])('that holds %s is refused', (_what, text, fault) => {
    expect(() => parseApiKeys(text, 'keys.json')).toThrow(`keys.json: ${fault}`);
  });

  it('never shows a secret in an error', () => {
    const wrong = `{"keys":[{"webhook":{"secrets":["${SECRET}"]}},`;
    for (const text of [`${wrong}?`, wrong, `{"webhook":${SECRET}}`, `${wrong}{"sha256":"cf_secret"}]}`]) {
      let message = '';
      try {
        parseApiKeys(text, 'keys.json');
      } catch (error) {
        message = String(error);
      }
      expect(message).toContain('keys.json: ');
      expect(message).not.toMatch(/whsec_.|cf_|BwcH/);
    }
  });
});

describe('readKeysFileSetting', () => {
  it('ignores every other setting', () => {
    expect(readKeysFileSetting({ API_KEYS_FILE: '/keys.json', PORT: 'wrong' })).toBe('/keys.json');
    expect(readKeysFileSetting({ API_KEYS_FILE: 'keys.json' })).toBe(`${process.cwd()}/keys.json`);
    expect(readKeysFileSetting({})).toBeUndefined();
  });
});
