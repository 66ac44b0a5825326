import { createHash } from 'node:crypto';

const RATE = 8000;
const RATE_CODE = 0b0100;
const BLOCK = 4000;

/** A FLAC with one second of a tone: mono, 16 bits, uncompressed. `pitch` in hertz. */
export function flacTone(pitch: number): Buffer {
  const samples = Int16Array.from({ length: RATE }, (_, at) => 8000 * Math.sin((2 * Math.PI * pitch * at) / RATE));
  const blocks = Array.from({ length: RATE / BLOCK }, (_, at) => samples.subarray(at * BLOCK, (at + 1) * BLOCK));
  return Buffer.concat([Buffer.from('fLaC'), streamInfo(samples), ...blocks.map(frame)]);
}

function streamInfo(samples: Int16Array): Buffer {
  const info = Buffer.alloc(4 + 34);
  info.writeUInt32BE(0x80_00_00_22, 0); // the only metadata block, 34 bytes long
  info.writeUInt16BE(BLOCK, 4);
  info.writeUInt16BE(BLOCK, 6); // the minimum and maximum frame sizes stay 0: unknown
  // rate in 20 bits, channels − 1 in 3, bits − 1 in 5, samples in 36
  info.writeBigUInt64BE((BigInt(RATE) << 44n) | (15n << 36n) | BigInt(samples.length), 14);
  createHash('md5').update(littleEndian(samples)).digest().copy(info, 22);
  return info;
}

function littleEndian(samples: Int16Array): Buffer {
  const bytes = Buffer.alloc(samples.length * 2);
  for (const [at, sample] of samples.entries()) bytes.writeInt16LE(sample, at * 2);
  return bytes;
}

function frame(samples: Int16Array, index: number): Buffer {
  const bytes = Buffer.alloc(8 + 1 + samples.length * 2 + 2);
  bytes.writeUInt16BE(0xff_f8, 0); // frames of one size
  bytes[2] = (0b0111 << 4) | RATE_CODE; // the size follows in 16 bits
  bytes[3] = 0b0000_100_0; // one channel, 16 bits
  bytes[4] = index;
  bytes.writeUInt16BE(samples.length - 1, 5);
  bytes[7] = crc(bytes.subarray(0, 7), 8, 0x07);
  bytes[8] = 0b0_000001_0; // verbatim
  for (const [at, sample] of samples.entries()) bytes.writeInt16BE(sample, 9 + at * 2);
  const end = bytes.length - 2;
  bytes.writeUInt16BE(crc(bytes.subarray(0, end), 16, 0x8005), end);
  return bytes;
}

function crc(bytes: Buffer, bits: 8 | 16, polynomial: number): number {
  const [top, mask] = [1 << (bits - 1), 2 ** bits - 1];
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << (bits - 8);
    for (let bit = 0; bit < 8; bit++) sum = ((sum << 1) ^ (sum & top ? polynomial : 0)) & mask;
  }
  return sum;
}
