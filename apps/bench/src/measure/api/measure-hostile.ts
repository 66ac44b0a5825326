import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { HOSTILE_REQUESTS, type HostileRequest } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import { type ApiStack, startApiStack } from './api-stack.js';

export interface Hostile {
  readonly what: string;
  readonly status: number;
  readonly answerBytes: number;
  /** The longest that /livez took while it was sent and answered, of each time that it was, in ms. */
  readonly worstMs: readonly number[];
}

export interface HostileOptions {
  readonly core: string | undefined;
  readonly rounds: number;
}

const PROBE_EVERY_MS = 2;
const TIMEOUT_MS = 120_000;

/** Sends requests that are made to stop an API, one after the other, and looks meanwhile whether it answers others. */
export function measureHostile(all: Scope, { core, rounds }: HostileOptions): Promise<Hostile[]> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core });
    const found: Hostile[] = [];
    for (const make of HOSTILE_REQUESTS) {
      const hostile = make();
      const worstMs: number[] = [];
      let last = { status: 0, bytes: 0 };
      for (let n = 0; n < rounds; n++) {
        const probing = probeLivez(stack.url);
        last = await send(stack, hostile);
        worstMs.push(await probing.worstMs());
      }
      found.push({ what: hostile.what, status: last.status, answerBytes: last.bytes, worstMs });
    }
    return found;
  });
}

/** Asks for /livez again and again until it is asked for the worst, a last time after that. */
function probeLivez(url: string): { worstMs(): Promise<number> } {
  const agent = new Agent({ keepAlive: true });
  let isOver = false;
  const probing = (async () => {
    let worst = 0;
    for (let isLast = false; !isLast; ) {
      isLast = isOver;
      const began = performance.now();
      await answerOf(`${url}/livez`, { agent });
      worst = Math.max(worst, performance.now() - began);
      await delay(PROBE_EVERY_MS);
    }
    agent.destroy();
    return worst;
  })();
  probing.catch(() => {}); // until it is waited for
  return {
    worstMs: () => {
      isOver = true;
      return probing;
    },
  };
}

function send({ url, key }: ApiStack, { method, path, headers, body }: HostileRequest) {
  const length = body === undefined ? {} : { 'content-length': `${body.length}` };
  const all = { ...headers, ...length, authorization: `Bearer ${key}`, connection: 'close' };
  return answerOf(url + path, { method, headers: all, body });
}

interface Ask {
  readonly agent?: Agent;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
}

function answerOf(
  url: string,
  { agent, method = 'GET', headers = {}, body }: Ask,
): Promise<{ status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const options = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS), ...(agent && { agent }) };
    const sent = request(url, options, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, bytes }));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
