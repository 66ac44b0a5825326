/**
 * What `answer` resolves to; rejects with the reason of the signal when that aborts before. For what takes no signal, or
 * does not obey it: the answer is then waited for no longer.
 */
export async function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  let leave = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave);
  });
  try {
    return await Promise.race([aborted, answer]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
