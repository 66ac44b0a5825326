import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from './lifecycle.js';

/** A received request. */
export interface ReceivedWebhook {
  /** ms since 1970. */
  readonly at: number;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** When it was answered, in ms since 1970. A busy machine answers later than configured. */
  answeredAt?: number;
}

/** `hang`: the connection stays open without an answer; `reset`: it is cut. */
export type SinkAnswer =
  | 'hang'
  | 'reset'
  | {
      /** Default 200. */
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      /** Answers after this resolves. */
      readonly after?: Promise<unknown>;
      readonly delayMs?: number;
    };

/** A receiver of webhooks that keeps everything and answers as configured. */
export interface WebhookSink {
  readonly url: string;
  readonly port: number;
  /** In the order of arrival. */
  readonly received: readonly ReceivedWebhook[];
  /** Unanswered requests, and the most there ever were at a time. */
  readonly inFlight: number;
  readonly mostInFlight: number;
  /** Sets how it answers from now on; 200 by default. */
  answer(how: SinkAnswer | ((request: ReceivedWebhook) => SinkAnswer)): void;
  /** The requests, once there are at least `count`. */
  got(count: number): Promise<readonly ReceivedWebhook[]>;
  close(): Promise<void>;
}

/** On a port of 127.0.0.1; 0 takes a free one. */
export async function startWebhookSink({ port = 0 }: { readonly port?: number } = {}): Promise<WebhookSink> {
  const received: ReceivedWebhook[] = [];
  let how: (request: ReceivedWebhook) => SinkAnswer = () => ({});
  let inFlight = 0;
  let mostInFlight = 0;

  const server = createServer(async (request, response) => {
    inFlight += 1;
    mostInFlight = Math.max(mostInFlight, inFlight);
    response.once('close', () => {
      inFlight -= 1;
    });
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the caller has disconnected
    }
    const webhook: ReceivedWebhook = {
      at: Date.now(),
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    };
    received.push(webhook);
    await send(response, how(webhook));
    if (response.writableEnded) webhook.answeredAt = Date.now();
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    received,
    get inFlight() {
      return inFlight;
    },
    get mostInFlight() {
      return mostInFlight;
    },
    answer: (next) => {
      how = typeof next === 'function' ? next : () => next;
    },
    got: (count) =>
      until(`${count} webhooks came`, () => (received.length >= count ? received : undefined), { everyMs: 2 }),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function send(response: ServerResponse, answer: SinkAnswer): Promise<void> {
  if (answer === 'hang') return;
  if (answer === 'reset') {
    response.socket?.resetAndDestroy();
    return;
  }
  await answer.after;
  if (answer.delayMs !== undefined) await delay(answer.delayMs);
  response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
}
