import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';

/** A probe is answered within this time, whatever the check waits for. */
const CHECK_DEADLINE_MS = 2_000;

export interface HealthServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Reasons why this process cannot work now; empty: it is ready. A rejection counts as a reason. */
  readonly ready: () => Promise<readonly string[]>;
  readonly metrics: Pick<Metrics, 'scrape' | 'contentType'>;
  readonly log: Logger;
}

export interface HealthServer {
  /** The port it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `GET /livez` (200 as long as the process responds) and `GET /readyz` (200, or 503 with the reasons), both as
 * JSON `{status, reasons}`, and `GET /metrics` in the text format of Prometheus. Rejects with Node's error when the
 * port is unavailable.
 */
export async function startHealthServer({
  host,
  port,
  ready,
  metrics,
  log,
}: HealthServerOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (path !== '/livez' && path !== '/readyz' && path !== '/metrics') return answer(response, 404, []);
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, []);
    if (path === '/livez') return answer(response, 200, []);
    if (path === '/metrics') return void showMetrics(response, metrics, log);
    void reasonsOf(ready, log).then((reasons) => answer(response, reasons.length === 0 ? 200 : 503, reasons));
  });
  server.listen(port, host);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

async function reasonsOf(ready: HealthServerOptions['ready'], log: Logger): Promise<readonly string[]> {
  const late = new AbortController();
  const tooLate = delay(CHECK_DEADLINE_MS, [`no answer within ${CHECK_DEADLINE_MS} ms`], { signal: late.signal });
  tooLate.catch(() => undefined); // rejects when the check was in time
  try {
    return await Promise.race([ready(), tooLate]);
  } catch (error) {
    log.error('the readiness check failed', { error });
    return ['the readiness check failed'];
  } finally {
    late.abort();
  }
}

async function showMetrics(response: ServerResponse, metrics: HealthServerOptions['metrics'], log: Logger) {
  try {
    const text = await metrics.scrape();
    response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }).end(text);
  } catch (error) {
    log.error('the metrics could not be read', { error });
    answer(response, 503, ['the metrics could not be read']);
  }
}

const WORDS: Readonly<Record<number, string>> = { 200: 'ok', 404: 'not found', 405: 'not allowed', 503: 'unavailable' };

function answer(response: ServerResponse, status: number, reasons: readonly string[]): void {
  const body = JSON.stringify({ status: WORDS[status], reasons });
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body);
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
