import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { BufferTarget, EncodedPacket, MkvOutputFormat, Mp4OutputFormat, Output, type OutputFormat } from 'mediabunny';
import { measureMedia } from '../src/measure-media.js';
import type { StoredMedia } from '../src/media-facts.js';

const CLIPS = new URL('../../../apps/simulator/src/data/clips/', import.meta.url);
const { signal } = new AbortController();

export const clip = (name: string) => readFile(new URL(name, CLIPS));
export const hex = (text: string) => Buffer.from(text, 'hex');

/** A file of a store. */
export function storedMedia(content: Buffer): StoredMedia {
  const open = async (_name: string, { start, end } = { start: 0, end: content.length - 1 }) =>
    Readable.from([content.subarray(start, end + 1)]);
  return { name: 'x', bytes: content.length, start: content.subarray(0, 100), frames: { open }, signal };
}

export async function measured(content: Buffer, maxFrames = 1000) {
  const { container: _container, ...size } = await measureMedia(storedMedia(content), maxFrames);
  return size;
}

/** Writes Matroska for ten or more packets, else MP4. */
export async function fileOf<Config>(
  source: { add(packet: EncodedPacket, meta?: { decoderConfig: Config }): Promise<void> },
  packets: readonly string[],
  decoderConfig: Config,
  addTo: (output: Output) => void,
  format: OutputFormat = packets.length > 9 ? new MkvOutputFormat() : new Mp4OutputFormat(),
) {
  const target = new BufferTarget();
  const output = new Output({ format, target });
  addTo(output);
  await output.start();
  for (const [n, packet] of packets.entries()) {
    const type = n === 0 ? 'key' : 'delta';
    await source.add(new EncodedPacket(hex(packet), type, n / 1000, 0.001), { decoderConfig });
  }
  await output.finalize();
  return Buffer.from(target.buffer as ArrayBuffer);
}
