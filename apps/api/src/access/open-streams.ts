import { ANONYMOUS, FleetError } from '@comfy-fleet/contracts';

const RETRY_AFTER_SECONDS = 5;

/** The event streams and sockets that one process has open. */
export interface OpenStreams {
  /** One more. Throws `overloaded` when there are as many as there may be. */
  open(): OpenStream;
}

interface OpenStream {
  /** Whose job it is of. Throws `too_many_streams` when that key has as many as it may. To be called once. */
  of(key: string): void;
  close(): void;
}

export function createOpenStreams({ most, mostOfKey }: { most: number; mostOfKey: number }): OpenStreams {
  const ofKeys = new Map<string, number>();
  let all = 0;
  return {
    open: () => {
      if (all >= most) {
        const detail = `This process has ${most} event streams and sockets open, which is the most. Poll meanwhile.`;
        throw new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
      }
      all += 1;
      let own: string | undefined;
      let isOpen = true;
      return {
        of: (key) => {
          if (key === ANONYMOUS || !isOpen) return; // everybody, or nobody any more
          const count = ofKeys.get(key) ?? 0;
          if (count >= mostOfKey) {
            const detail = `This API key has ${mostOfKey} event streams and sockets open, which is the most. Poll meanwhile.`;
            throw new FleetError('too_many_streams', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
          }
          ofKeys.set(key, count + 1);
          own = key;
        },
        close: () => {
          isOpen = false;
          all -= 1;
          if (own === undefined) return;
          const left = (ofKeys.get(own) ?? 0) - 1;
          if (left > 0) ofKeys.set(own, left);
          else ofKeys.delete(own);
        },
      };
    },
  };
}
