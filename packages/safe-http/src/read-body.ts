import type { Readable } from 'node:stream';
import { failureOf, unreachable } from './failures.js';

/** The whole body. Throws url_unreachable as soon as there are more than `maxBytes`, or when it breaks off. */
export async function readWhole(body: Readable, maxBytes: number): Promise<Buffer> {
  const { data, rest } = await readSome(body, maxBytes);
  if (rest === 'none') return data;
  throw rest === 'more' ? unreachable(`The URL leads to more than ${maxBytes} bytes.`) : failureOf(rest.broken);
}

/** The body, piece by piece. Throws url_unreachable as soon as there are more than `maxBytes`, or when it breaks off. */
export async function* pieces(body: Readable, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  const iterator = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await iterator.next().catch((error: unknown) => {
      throw failureOf(error);
    });
    if (done === true) return;
    bytes += value.length;
    if (bytes > maxBytes) throw unreachable(`The URL leads to more than ${maxBytes} bytes.`);
    yield value;
  }
}

/** The body's first bytes, `maxBytes` at most, or what came of them. */
export async function readStart(body: Readable, maxBytes: number): Promise<Buffer> {
  const { data } = await readSome(body, maxBytes);
  return data;
}

async function readSome(
  body: Readable,
  maxBytes: number,
): Promise<{ data: Buffer; rest: 'none' | 'more' | { broken: unknown } }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const data = () => Buffer.concat(chunks).subarray(0, maxBytes);
  try {
    // leaving the loop destroys the stream, and with it the connection
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) return { data: data(), rest: 'more' };
    }
    return { data: data(), rest: 'none' };
  } catch (broken) {
    return { data: data(), rest: { broken } };
  }
}
