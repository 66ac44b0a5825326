import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { BufferTarget, EncodedPacket, MkvOutputFormat, Mp4OutputFormat, Output, type OutputFormat } from 'mediabunny';
import { measureMedia } from '../src/measure-media.js';

const CLIPS = new URL('../../../apps/simulator/src/data/clips/', import.meta.url);
export const { signal } = new AbortController();

export const clip = (name: string) => readFile(new URL(name, CLIPS));
export const hex = (text: string) => Buffer.from(text, 'hex');

export async function measured(content: Buffer, maxFrames = 1000) {
  const open = async (_name: string, { start, end } = { start: 0, end: content.length - 1 }) =>
    Readable.from([content.subarray(start, end + 1)]);
  const start = content.subarray(0, 100);
  return measureMedia({ name: 'x', bytes: content.length, start, frames: { open }, signal }, maxFrames);
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

/** An MP3 frame of 44.1 kHz and 128 kbit/s. */
export const mp3Frame = Buffer.concat([hex('fffb9064'), Buffer.alloc(413, 0x55)]);
export const mp3 = (frames: number, ...behind: Buffer[]) =>
  Buffer.concat([...Array.from({ length: frames }, () => mp3Frame), ...behind]);
