import { ANONYMOUS, FleetError } from '@comfy-fleet/contracts';

const RETRY_AFTER_SECONDS = 5;

/** The event streams and sockets that one process has open. */
export interface OpenStreams {
  /**
   * Counts one more of a key until the returned function is called, once. Throws `too_many_streams` when the key has as many
   * as it may, and `overloaded` when all keys together do and this one has used up what is reserved for it.
   */
  open(key: string): () => void;
}

export interface StreamLimits {
  readonly most: number;
  readonly mostOfKey: number;
  /** Streams that a key may open even while other keys have used up the rest. */
  readonly reservedForKey: number;
}

/** `gauge` shows how many are open. */
export function createOpenStreams(
  { most, mostOfKey, reservedForKey }: StreamLimits,
  gauge: { inc(): void; dec(): void },
): OpenStreams {
  const ofKeys = new Map<string, number>();
  let all = 0;
  const refusal = (key: string): FleetError | undefined => {
    const own = ofKeys.get(key) ?? 0;
    // Without API keys all callers are one: there is nothing to share.
    const isShared = key !== ANONYMOUS;
    if (isShared && own >= mostOfKey) {
      const detail = `This API key has ${mostOfKey} event streams and sockets open, which is the most. Poll meanwhile.`;
      return new FleetError('too_many_streams', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    if (all < most || (isShared && own < reservedForKey)) return undefined;
    const detail = `This process has ${most} event streams and sockets open, which is the most. Poll meanwhile.`;
    return new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  };
  return {
    open: (key) => {
      const refused = refusal(key);
      if (refused !== undefined) throw refused;
      all += 1;
      ofKeys.set(key, (ofKeys.get(key) ?? 0) + 1);
      gauge.inc();
      return () => {
        all -= 1;
        const left = (ofKeys.get(key) ?? 0) - 1;
        if (left > 0) ofKeys.set(key, left);
        else ofKeys.delete(key);
        gauge.dec();
      };
    },
  };
}

/** Counts one more of a key until the signal aborts. Throws as `open` does, and the signal's reason. */
export function openUntil(signal: AbortSignal, streams: OpenStreams, key: string): void {
  signal.throwIfAborted();
  signal.addEventListener('abort', streams.open(key), { once: true });
}
