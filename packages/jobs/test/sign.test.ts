import { WEBHOOK_SECRET_PATTERN } from '@comfy-fleet/contracts';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { newSecret, sign } from '../src/webhooks/deliver.js';

const ID = 'msg_0191d2f5';
const now = () => Math.floor(Date.now() / 1000);

function verify(secret: string, signature: string, body: string, timestamp: number): unknown {
  return new Webhook(secret).verify(body, {
    'webhook-id': ID,
    'webhook-timestamp': `${timestamp}`,
    'webhook-signature': signature,
  });
}

describe('a signature', () => {
  it.each(['{}', '{"prompt":"ein Leuchtturm über Nebel 🗼"}', JSON.stringify({ long: 'x'.repeat(100_000) })])(
    'is what the standardwebhooks library creates and accepts, for %.40s',
    (body) => {
      const secret = newSecret();
      const timestamp = now();
      const ours = sign([secret], ID, timestamp, body);
      expect(ours).toBe(new Webhook(secret).sign(ID, new Date(timestamp * 1000), body));
      expect(verify(secret, ours, body, timestamp)).toEqual(JSON.parse(body));
    },
  );

  it('by two secrets is accepted with either of them, and not with a third', () => {
    const [old, fresh, other] = [newSecret(), newSecret(), newSecret()];
    const timestamp = now();
    const signature = sign([fresh, old], ID, timestamp, '{"a":1}');
    expect(signature.split(' ')).toHaveLength(2);
    expect(verify(old, signature, '{"a":1}', timestamp)).toEqual({ a: 1 });
    expect(verify(fresh, signature, '{"a":1}', timestamp)).toEqual({ a: 1 });
    expect(() => verify(other, signature, '{"a":1}', timestamp)).toThrow('No matching signature found');
  });

  it('does not match another body, time or id', () => {
    const secret = newSecret();
    const timestamp = now();
    const signature = sign([secret], ID, timestamp, '{"a":1}');
    expect(() => verify(secret, signature, '{"a":2}', timestamp)).toThrow();
    expect(() => verify(secret, signature, '{"a":1}', timestamp + 1)).toThrow();
    expect(sign([secret], 'msg_other', timestamp, '{"a":1}')).not.toBe(signature);
  });
});

it('creates a new secret each time, in the form that the settings and the API accept', () => {
  const secrets = Array.from({ length: 20 }, newSecret);
  for (const secret of secrets) expect(secret).toMatch(new RegExp(WEBHOOK_SECRET_PATTERN));
  expect(new Set(secrets).size).toBe(20);
});
