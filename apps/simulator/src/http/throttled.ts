import type { ReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline, Transform } from 'node:stream';

const SLICES_PER_SECOND = 20;

/** Sends a file no faster than so many bytes a second. A client that goes away ends it. */
export function sendThrottled(file: ReadStream, response: ServerResponse, bytesPerSecond: number): void {
  const slice = Math.max(1, Math.round(bytesPerSecond / SLICES_PER_SECOND));
  const brake = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const next = (at: number) => {
        if (at >= chunk.length || brake.destroyed) return done();
        brake.push(chunk.subarray(at, at + slice));
        setTimeout(next, 1000 / SLICES_PER_SECOND, at + slice);
      };
      next(0);
    },
  });
  pipeline(file, brake, response, () => undefined);
}
