import type { Message } from '../present/messages.js';

/** ComfyUI's types of binary messages, and of pictures in them; big-endian numbers of four bytes. */
const PREVIEW = 1;
const TEXT = 3;
const PREVIEW_WITH_METADATA = 4;
const JPEG = 1;
const PNG = 2;

/** A message type of our own for progress texts, which ComfyUI sends as binary frames. */
export const PROGRESS_TEXT = 'progress_text';

export function messageFrame([type, data]: Message): string | Buffer {
  return type === PROGRESS_TEXT ? progressText(`${data.node}`, `${data.text}`) : JSON.stringify({ type, data });
}

function progressText(node: string, text: string): Buffer {
  const id = Buffer.from(node);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(TEXT);
  head.writeUInt32BE(id.length, 4);
  return Buffer.concat([head, id, Buffer.from(text)]);
}

/** A picture alone: a preview, or what a SaveImageWebsocket sends. */
export function pictureFrame(picture: Buffer, contentType: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(PREVIEW);
  head.writeUInt32BE(contentType === 'image/jpeg' ? JPEG : PNG, 4);
  return Buffer.concat([head, picture]);
}

/** A preview that says whose it is. */
export function describedFrame(picture: Buffer, about: Readonly<Record<string, unknown>>): Buffer {
  const text = Buffer.from(JSON.stringify(about));
  const head = Buffer.alloc(8);
  head.writeUInt32BE(PREVIEW_WITH_METADATA);
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, text, picture]);
}
