import { readPreviewFrame } from './preview-frame.js';
import { readTextFrame, type SocketEvent } from './socket-events.js';

/** The type of a binary frame that has a text. */
const TEXT = 3;

/**
 * Reads the frames of one connection in order. Remembers whose prompt is under way, because plain previews do not say.
 */
export function createFrameReader(): (data: Buffer, isBinary: boolean) => SocketEvent | undefined {
  let current: { promptId: string; node: string | undefined } | undefined;
  return (data, isBinary) => {
    if (!isBinary) {
      const event = readTextFrame(data.toString('utf8'));
      if (event !== undefined) current = follow(current, event);
      return event;
    }
    const said = readProgressText(data);
    if (said !== undefined) return { type: 'text', promptId: current?.promptId, ...said };
    const preview = readPreviewFrame(data);
    if (preview === undefined) return undefined;
    const from = preview.promptId === undefined ? current : preview;
    return { type: 'preview', ...preview, promptId: from?.promptId, node: from?.node };
  };
}

/** 4 bytes big-endian each: the type, and the length of the node's id; then that id, and the text. */
function readProgressText(frame: Buffer): { node: string; text: string } | undefined {
  if (frame.length < 8 || frame.readUInt32BE(0) !== TEXT) return undefined;
  const start = 8 + frame.readUInt32BE(4);
  if (start > frame.length) return undefined;
  return { node: frame.toString('utf8', 8, start), text: frame.toString('utf8', start) };
}

function follow(
  current: { promptId: string; node: string | undefined } | undefined,
  event: SocketEvent,
): { promptId: string; node: string | undefined } | undefined {
  switch (event.type) {
    case 'started':
      return { promptId: event.promptId, node: undefined };
    case 'node':
    case 'progress':
      return event.promptId === undefined ? current : { promptId: event.promptId, node: event.node };
    case 'succeeded':
    case 'failed':
    case 'interrupted':
    case 'idle':
      return current?.promptId === event.promptId ? undefined : current;
    default:
      return current;
  }
}
