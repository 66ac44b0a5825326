import { PassThrough, pipeline, type Readable } from 'node:stream';

/**
 * The body of an answer as a stream whose failures are what `failure` makes of them. Destroying it ends the connection.
 */
export function readStream(body: Readable, failure: (error: Error) => Error): Readable {
  const out = new PassThrough({
    destroy: (error, done) => {
      body.destroy();
      done(error === null ? null : failure(error));
    },
  });
  // Who reads `out` is told by its own error event.
  return pipeline(body, out, () => undefined);
}
