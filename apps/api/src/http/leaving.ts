export interface Leaving {
  readonly isOver: boolean;
  readonly signal: AbortSignal;
  abort(): void;
}

/** To be aborted when the connection is through with the answer. The signal is made for who asks: most end without. */
export function leaving(): Leaving {
  let made: AbortController | undefined;
  let over = false;
  const abort = () => {
    over = true;
    made?.abort();
  };
  return {
    get isOver() {
      return over;
    },
    get signal() {
      made ??= new AbortController();
      if (over) made.abort();
      return made.signal;
    },
    abort,
  };
}
