import type { Writable } from 'node:stream';
import DataLoader from 'dataloader';

/**
 * Batches the questions of one turn of the event loop. `ask` gets up to `maxBatchSize` questions and returns their
 * answers in the same order, with an Error for each question that failed. A full batch is sent at once, so that Redis
 * works on it while the rest of the turn's questions arrive.
 */
export function batched<Q, A>(
  ask: (questions: readonly Q[]) => Promise<ArrayLike<A | Error>>,
  { maxBatchSize }: { readonly maxBatchSize: number },
): (question: Q) => Promise<A> {
  let waiting = 0;
  let sendNow = () => {};
  const loader = new DataLoader<Q, A>(ask, {
    cache: false,
    maxBatchSize,
    batchScheduleFn: (dispatch) => {
      waiting = 0;
      // setImmediate runs after the poll phase, in which the requests of all connections were read.
      const atEndOfTurn = setImmediate(dispatch);
      sendNow = () => {
        // Otherwise DataLoader would dispatch this batch a second time.
        clearImmediate(atEndOfTurn);
        dispatch();
      };
    },
  });
  return (question) => {
    const answer = loader.load(question);
    waiting += 1;
    if (waiting === maxBatchSize) sendNow();
    return answer;
  };
}

/**
 * Sends everything that is written to a connection in one turn of the event loop at once. That takes one system call,
 * and a Redis that syncs its file before it answers syncs once for all. Unlike in a pipeline, each command stays
 * independent and is sent again on its own if the connection breaks.
 */
export function batchWrites(stream: Writable): void {
  const write = stream.write.bind(stream) as Writable['write'];
  let isCorked = false;
  const flush = () => {
    isCorked = false;
    stream.uncork();
  };
  stream.write = ((...args: Parameters<Writable['write']>) => {
    if (!isCorked) {
      isCorked = true;
      stream.cork();
      setImmediate(flush);
    }
    return write(...args);
  }) as Writable['write'];
}
