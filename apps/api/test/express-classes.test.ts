import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { createApp } from '../src/http/express-classes.js';
import { type Listening, listen } from '../src/server.js';

let server: Listening | undefined;
afterEach(() => server?.close(0));

it('a request and its answer keep the prototypes with which our server makes them, and are Express’s all the same', async () => {
  const seen: object[][] = [];
  const look = (...both: [IncomingMessage, ServerResponse]) => seen.push(both.map((one) => Object.getPrototypeOf(one)));
  const app = createApp();
  app.get('/x', (request, response) => {
    look(request, response);
    response.json({ query: request.query });
  });
  server = await listen({ host: '127.0.0.1', port: 0, idleMs: 60_000 });
  server.serve((request, response) => {
    look(request, response);
    app(request, response);
  });
  const answer = await fetch(`http://127.0.0.1:${server.port}/x?a=1`);
  expect(await answer.json()).toEqual({ query: { a: '1' } });
  expect(Object.fromEntries(answer.headers)).not.toHaveProperty('etag');
  const [made = [], kept = []] = seen;
  expect(made.map((prototype, index) => prototype === kept[index])).toEqual([true, true]);
});
