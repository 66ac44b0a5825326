import type { Writable } from 'node:stream';
import DataLoader from 'dataloader';

/**
 * Joins questions that are asked in the same turn of the event loop: `ask` gets several, at most `enough`, and answers them
 * in their order, or an Error for one. The first `enough` leave at once, for whoever answers to begin while the rest of
 * the turn's questions arrive.
 */
export function batched<Q, A>(
  ask: (questions: readonly Q[]) => Promise<ArrayLike<A | Error>>,
  { maxBatchSize: enough }: { readonly maxBatchSize: number },
): (question: Q) => Promise<A> {
  let waiting = 0;
  let leave = () => {};
  const loader = new DataLoader<Q, A>(ask, {
    cache: false,
    maxBatchSize: enough,
    batchScheduleFn: (dispatch) => {
      waiting = 0;
      // After the poll phase, in which the requests of all connections have been read.
      const atTurnsEnd = setImmediate(dispatch);
      leave = () => {
        // DataLoader would ask what has left a second time.
        clearImmediate(atTurnsEnd);
        dispatch();
      };
    },
  });
  return (question) => {
    const answer = loader.load(question);
    waiting += 1;
    if (waiting === enough) leave();
    return answer;
  };
}

/**
 * Lets what is written to a connection in one turn of the event loop leave together: one system call for us, and for a
 * Redis that syncs its file before it answers one sync for all. Unlike a pipeline it changes nothing else: each command
 * is still one of its own, to be sent again when the connection breaks.
 */
export function batchWrites(stream: Writable): void {
  const write = stream.write.bind(stream) as Writable['write'];
  let isJoining = false;
  const leave = () => {
    isJoining = false;
    stream.uncork();
  };
  stream.write = ((...args: Parameters<Writable['write']>) => {
    if (!isJoining) {
      isJoining = true;
      stream.cork();
      setImmediate(leave);
    }
    return write(...args);
  }) as Writable['write'];
}
