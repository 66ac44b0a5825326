import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { HOSTILE_REQUESTS, type HostileRequest } from '@comfy-fleet/testing';
import { WebSocket } from 'ws';
import { type Goal, table } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { type ApiStack, publishCatalogue, startApiStack } from './api-stack.js';
import { startProbe } from './probe-livez.js';

export interface Hostile {
  readonly what: string;
  /** The status, or the close code of a socket. */
  readonly answered: string;
  readonly answerBytes: number;
  /** The longest time that /livez took in each round, in ms. */
  readonly worstMs: readonly number[];
}

export interface HostileOptions {
  readonly core: string | undefined;
  readonly rounds: number;
  readonly print: (text: string) => void;
}

/** An attempt to stall the API. `run` resolves when the API has dealt with it. */
interface Attack {
  readonly what: string;
  run(stack: ApiStack): Promise<Answer>;
}

interface Answer {
  readonly answered: string;
  readonly bytes: number;
}

const TIMEOUT_MS = 120_000;

const FRAMES = 50_000;
const PIECES = 1024 ** 2;
const CONNECTIONS = 1000;
const CONNECT_EVERY_MS = 2;
const TRICKLE_MS = 100;

const ATTACKS: readonly (() => Attack)[] = [
  ...HOSTILE_REQUESTS.map((make) => () => {
    const hostile = make();
    return { what: hostile.what, run: (stack: ApiStack) => send(stack, hostile) };
  }),
  () => ({ what: 'a body of 1 MiB in pieces of one byte', run: sendInPieces }),
  () => ({ what: `${CONNECTIONS} requests without a key, whose bodies trickle in`, run: trickle }),
  flood('messages', (socket) => socket.send('{"type":"feature_flags","data":{}}')),
  flood('pings', (socket) => socket.ping()),
  flood('pongs', (socket) => socket.pong()),
  flood('empty pieces of one message', (socket) => socket.send('', { fin: false })),
  flood('messages of 1 MiB', (socket) => socket.send(Buffer.alloc(PIECES)), 20),
];

/** Attacks an API in many ways, one after the other, and measures whether it answers other requests meanwhile. */
export async function measureAttacks(scope: Scope, options: HostileOptions): Promise<Goal[]> {
  options.print('measuring attacks on the API');
  const attacks = await measure(scope, options);
  options.print(
    table(
      'The longest time that /livez took during each attack, in ms',
      ['attack', 'answered', 'bytes', 'best round', 'worst'],
      attacks.map(({ what, answered, answerBytes, worstMs }) => [
        what,
        answered,
        answerBytes,
        Math.min(...worstMs).toFixed(0),
        Math.max(...worstMs).toFixed(0),
      ]),
    ),
  );
  // The best round of each attack counts: an attack slows the API down in every round, other load only in some.
  const value = Math.max(...attacks.map(({ worstMs }) => Math.min(...worstMs)));
  return [{ what: 'worst /livez during an attack', value, unit: 'ms', bound: 'at most', limit: 100 }];
}

function measure(all: Scope, { core, rounds }: HostileOptions): Promise<Hostile[]> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core });
    await publishCatalogue(stack);
    const probe = await startProbe(stack.url);
    scope.onClose(() => probe.close());
    const found: Hostile[] = [];
    for (const make of ATTACKS) {
      const attack = make();
      const worstMs: number[] = [];
      let last: Answer = { answered: '', bytes: 0 };
      for (let n = 0; n < rounds; n++) {
        await probe.worstMs();
        last = await attack.run(stack);
        worstMs.push(await probe.worstMs());
      }
      found.push({ what: attack.what, answered: last.answered, answerBytes: last.bytes, worstMs });
    }
    return found;
  });
}

function send({ url, key }: ApiStack, { method, path, headers, body }: HostileRequest): Promise<Answer> {
  const length = body === undefined ? {} : { 'content-length': `${body.length}` };
  const all = { ...headers, ...length, authorization: `Bearer ${key}`, connection: 'close' };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const sent = request(url + path, { method, headers: all, signal }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ answered: `${response.statusCode}`, bytes }));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Writes to a plain socket, because Node's client would join the pieces. */
async function sendInPieces({ url, key }: ApiStack): Promise<Answer> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const head = `POST /generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${key}\r\n`;
  socket.write(`${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`);
  socket.write('1\r\n \r\n'.repeat(PIECES - 2));
  socket.write('2\r\n{}\r\n0\r\n\r\n');
  return answerIn(await text(socket));
}

/** Resolves when the API has closed all connections. */
async function trickle({ url }: ApiStack): Promise<Answer> {
  const head =
    'POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n';
  const closing = Array.from({ length: CONNECTIONS }, async (_, n) => {
    await delay(n * CONNECT_EVERY_MS);
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    let answer = '';
    socket.on('data', (data) => {
      answer += data;
    });
    socket.on('error', () => {}); // a reset
    socket.write(head);
    const timer = setInterval(() => socket.write(' '), TRICKLE_MS);
    await closed;
    clearInterval(timer);
    return answerIn(answer);
  });
  const [first = { answered: '', bytes: 0 }] = await Promise.all(closing);
  return first;
}

function answerIn(answer: string): Answer {
  return { answered: /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 'nothing', bytes: Buffer.byteLength(answer) };
}

/** Sends many frames over one socket and waits until the API closes it. */
function flood(what: string, sendOne: (socket: WebSocket) => void, frames = FRAMES): () => Attack {
  const run = async ({ url, key }: ApiStack): Promise<Answer> => {
    const headers = { authorization: `Bearer ${key}` };
    const socket = new WebSocket(`${url.replace('http', 'ws')}/comfyui/ws`, { headers });
    socket.on('error', () => {}); // a reset
    await once(socket, 'open');
    for (let n = 0; n < frames; n++) sendOne(socket);
    const [code] = await once(socket, 'close', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return { answered: `${code}`, bytes: 0 };
  };
  return () => ({ what: `${frames} ${what} over one socket`, run });
}
