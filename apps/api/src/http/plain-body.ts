import type { IncomingMessage } from 'node:http';

/**
 * Hands on the pieces of a body as they arrive. When `take` throws, the rest is thrown away as it comes, so that the answer
 * still reaches its caller. Rejects with what it threw, or with what broke the request off.
 */
export function plainBody(request: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    };
    const onData = (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        stop();
        request.resume();
        reject(error);
      }
    };
    const onEnd = () => {
      stop();
      resolve();
    };
    const onError = (error: unknown) => {
      stop();
      reject(error);
    };
    const onClose = () => onError(request.errored ?? new Error('The request was broken off.'));
    request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}
