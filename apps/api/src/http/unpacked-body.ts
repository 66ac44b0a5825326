import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { FleetError } from '@comfy-fleet/contracts';

export interface UnpackLimits {
  /** Unpacked. */
  readonly mostBytes: number;
  /** How many bytes may come out of one that arrived, once more than `freeBytes` came out. */
  readonly ratio: number;
  readonly freeBytes: number;
}

const UNPACKERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * A body's bytes as they arrive, unpacked if they are packed. Whoever stops reading leaves the rest to be thrown away as it
 * comes, so that the answer still reaches its caller. Throws unsupported_media_type, body_too_large, malformed_request.
 */
export async function* unpackedBody(request: IncomingMessage, limits: UnpackLimits): AsyncGenerator<Buffer> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  const tooLarge = () =>
    new FleetError('body_too_large', `The body is larger than the ${limits.mostBytes} bytes that this address takes.`);
  if (encoding === 'identity') {
    if (Number(request.headers['content-length']) > limits.mostBytes) throw tooLarge();
    try {
      yield* within(request, () => undefined);
    } finally {
      request.resume();
    }
    return;
  }
  const unpacker = UNPACKERS[encoding]?.();
  if (unpacker === undefined) {
    const detail = `The body is packed as ${encoding}, which is not understood; ${Object.keys(UNPACKERS).join(', ')} are.`;
    throw new FleetError('unsupported_media_type', detail);
  }
  let arrived = 0;
  const count = (chunk: Buffer) => {
    arrived += chunk.length;
  };
  request.on('data', count);
  const broken = (error: Error) => unpacker.destroy(error);
  request.on('error', broken);
  request.pipe(unpacker);
  try {
    yield* within(unpacker, (unpacked) => {
      const isBomb = unpacked > limits.freeBytes && unpacked > arrived * limits.ratio;
      return isBomb ? `The body unpacks to more than ${limits.ratio} times its size.` : undefined;
    });
  } catch (error) {
    const isOurs = error instanceof FleetError || request.errored !== null;
    throw isOurs ? error : new FleetError('malformed_request', `The body is not ${encoding}.`, { cause: error });
  } finally {
    request.off('data', count);
    request.off('error', broken);
    request.unpipe(unpacker);
    request.resume();
    unpacker.destroy();
  }

  async function* within(stream: Readable, fault: (bytes: number) => string | undefined): AsyncGenerator<Buffer> {
    let bytes = 0;
    // Destroyed it would take the connection along, and with it the answer.
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > limits.mostBytes) throw tooLarge();
      const detail = fault(bytes);
      if (detail !== undefined) throw new FleetError('body_too_large', detail);
      yield chunk;
    }
  }
}
