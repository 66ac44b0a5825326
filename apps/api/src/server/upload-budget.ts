import { FleetError } from '@comfy-fleet/contracts';

const RETRY_AFTER_SECONDS = 2;

/** The memory that the bodies with pictures under way may take, all together. */
export interface UploadBudget {
  /**
   * Sets `expected` bytes aside for a body. `key`: whose share it counts against; undefined where there are no shares. Throws
   * `overloaded` when there is not so much left, `rate_limited` when the key's share has not.
   */
  begin(key: string | undefined, expected: number): Upload;
}

/** A body under way. */
export interface Upload {
  /** Counts bytes in memory. Throws as `begin` does when they are more than was set aside. */
  arrived(bytes: number): void;
  end(): void;
}

/** One body alone may have any size, which its reader bounds. */
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
          const detail = `This API key may send or have converted ${mostBytesOfKey} bytes of pictures at a time. Try again when some requests are answered.`;
          throw new FleetError('rate_limited', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
        }
        if (all > aside && all + more > mostBytes) {
          const detail = 'Too many pictures are being sent or converted at the moment. Try again in a moment.';
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
