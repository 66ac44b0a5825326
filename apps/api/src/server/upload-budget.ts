import { FleetError } from '@comfy-fleet/contracts';

const RETRY_AFTER_SECONDS = 2;

/** Limits the total memory for bodies that are being received, and for pictures that are being converted. */
export interface UploadBudget {
  /**
   * Reserves `expected` bytes for a body. `key`: the key whose share they count against; undefined: no share applies. Throws
   * `overloaded` when not enough memory is left, `rate_limited` when the key's share is used up.
   */
  begin(key: string | undefined, expected: number): Upload;
}

/** The reservation of one body. */
export interface Upload {
  /** Counts bytes in memory, and reserves more if they exceed the reservation. Throws like `begin`. */
  arrived(bytes: number): void;
  /** Releases the reservation. */
  end(): void;
}

/** A single body is always accepted, whatever its size; its reader limits that. */
export function createUploadBudget({
  mostBytes,
  mostBytesOfKey,
}: {
  readonly mostBytes: number;
  readonly mostBytesOfKey: number;
}): UploadBudget {
  let all = 0;
  const ofKeys = new Map<string, number>();

  const add = (key: string | undefined, bytes: number) => {
    all += bytes;
    if (key === undefined) return;
    const own = (ofKeys.get(key) ?? 0) + bytes;
    if (own > 0) ofKeys.set(key, own);
    else ofKeys.delete(key);
  };

  return {
    begin: (key, expected) => {
      let aside = 0;
      let total = 0;
      let isOver = false;
      const setAside = (more: number) => {
        const ofKey = key === undefined ? 0 : (ofKeys.get(key) ?? 0);
        if (ofKey > aside && ofKey + more > mostBytesOfKey) {
          const detail = `This API key may send or have converted ${mostBytesOfKey} bytes at a time. Try again when some requests are answered.`;
          throw new FleetError('rate_limited', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
        }
        if (all > aside && all + more > mostBytes) {
          const detail = 'Too much is being sent or converted at the moment. Try again in a moment.';
          throw new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
        }
        add(key, more);
        aside += more;
      };
      setAside(expected);
      return {
        arrived: (bytes) => {
          total += bytes;
          if (!isOver && total > aside) setAside(total - aside);
        },
        end: () => {
          if (!isOver) add(key, -aside);
          isOver = true;
        },
      };
    },
  };
}
