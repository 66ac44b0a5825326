/** BullMQ's own default waits up to 20 s between tries; a fleet is to be back at once when its Redis is. */
const MAX_RECONNECT_DELAY_MS = 500;

/** ms before the next try to connect, after `tries` that failed. */
export function reconnectDelay(tries: number): number {
  return Math.min(50 * 2 ** Math.min(tries, 8), MAX_RECONNECT_DELAY_MS);
}
