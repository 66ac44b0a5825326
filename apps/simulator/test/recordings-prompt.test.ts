import { expect } from 'vitest';
import { ask } from './client.js';
import { replaySuite } from './replay-suite.js';

replaySuite('0.3.64', 'prompt', {
  send: (_replay, exchange, simulator) =>
    exchange.name === 'body of 101 MiB'
      ? ask(simulator.url, 'POST', '/prompt', Buffer.alloc(101 * 1024 * 1024, 'x')).then((got) => {
          expect(got.status).toBe(413);
          expect(got.headers['content-type']).toBe('text/plain; charset=utf-8');
          expect(got.bytes.toString()).toMatch(/^Maximum request body size 104857600 exceeded, actual body size \d+$/);
        })
      : undefined,
});
replaySuite('0.33.0', 'prompt-changed');
replaySuite('0.33.0', 'prompt-id');
replaySuite('0.33.0', 'prompt-more');
replaySuite('0.33.0', 'new-input-kinds');
