import { Readable } from 'node:stream';
import type { Reply } from '../../server/messages.js';

/** Longer ones are sent piece by piece, so that they are in memory once. */
const MOST_JOINED_CHARS = 512 * 1024;
/** No answer is much longer. The history then lacks its oldest entries, and the queue the graphs of its last ones. */
export const MOST_ANSWER_CHARS = 8 * 1024 * 1024;

/** 200 with JSON that is there in pieces. */
export function jsonInPieces(pieces: readonly string[]): Reply {
  if (!mustStream(pieces)) return { status: 200, body: pieces.join('') };
  return { status: 200, headers: JSON_TYPE, body: Readable.from(pieces) };
}

export function mustStream(pieces: readonly string[]): boolean {
  return pieces.reduce((sum, { length }) => sum + length, 0) > MOST_JOINED_CHARS;
}

export const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' };

/** The members of a list, or of an object, with what stands around and between them. */
export function listed(around: '[]' | '{}', members: readonly string[]): string[] {
  const [open = '', close = ''] = around;
  return [open, ...members.flatMap((member, index) => (index === 0 ? [member] : [',', member])), close];
}
