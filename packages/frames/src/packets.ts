import type { EncodedPacket, Input, InputTrack } from 'mediabunny';
import { loadMediabunny, openMedia, type StoredMedia } from './media-facts.js';

/** Enough for files that are read in blocks, and for an index that leads back and forth. */
const MOST_READS = 10_000;

/** Opens a stored video or sound to read all its packets. */
export function openWhole(media: StoredMedia) {
  return openMedia(media, { mostBytes: 4 * media.bytes, mostReads: MOST_READS, prefetch: 'network' });
}

/**
 * The tracks that ComfyUI reads: the first video, and the first sound or the last one, depending on the node. Others would only
 * take memory, since ffmpeg decodes the beginning of each.
 */
export async function usedTracks(input: Input) {
  const videos = (await input.getVideoTracks()).slice(0, 1);
  const sounds = await input.getAudioTracks();
  return { videos, sounds: [...new Set([...sounds.slice(0, 1), ...sounds.slice(-1)])] };
}

/** In the order in which they are decoded. */
export async function* packetsOf(track: InputTrack): AsyncGenerator<EncodedPacket, void> {
  const { EncodedPacketSink } = await loadMediabunny();
  const sink = new EncodedPacketSink(track);
  for (let packet = await sink.getFirstPacket(); packet !== null; packet = await sink.getNextPacket(packet))
    yield packet;
}
