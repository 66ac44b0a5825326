import type { EncodedPacket, InputTrack } from 'mediabunny';
import { loadMediabunny, openMedia, type StoredMedia } from './media-facts.js';

/** Enough for files that are read in blocks, and for an index that leads back and forth. */
const MOST_READS = 10_000;

/** Opens a stored video or sound to read all its packets. */
export function openWhole(media: StoredMedia) {
  return openMedia(media, { mostBytes: 4 * media.bytes, mostReads: MOST_READS, prefetch: 'network' });
}

/** In the order in which they are decoded. */
export async function* packetsOf(track: InputTrack): AsyncGenerator<EncodedPacket, void> {
  const { EncodedPacketSink } = await loadMediabunny();
  const sink = new EncodedPacketSink(track);
  for (let packet = await sink.getFirstPacket(); packet !== null; packet = await sink.getNextPacket(packet))
    yield packet;
}
