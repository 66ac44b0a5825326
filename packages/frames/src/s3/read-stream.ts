import { PassThrough, pipeline, type Readable } from 'node:stream';

/**
 * The body of an answer as a stream whose failures are what `failure` makes of them; with what its reader destroys it, that
 * it ends. Destroying it ends the connection.
 */
export function readStream(body: Readable, failure: (error: Error) => Error): Readable {
  const out = new PassThrough({
    destroy: (error: NodeJS.ErrnoException | null, done) => {
      const isOfBody = error !== null && (error === body.errored || error.code === 'ERR_STREAM_PREMATURE_CLOSE');
      body.destroy();
      done(isOfBody ? failure(error) : error);
    },
  });
  // Who reads `out` is told by its own error event.
  return pipeline(body, out, () => undefined);
}
