import { readPreviewFrame } from './preview-frame.js';
import { readTextFrame, type SocketEvent } from './socket-events.js';

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
    const preview = readPreviewFrame(data);
    if (preview === undefined) return undefined;
    const from = preview.promptId === undefined ? current : preview;
    return { type: 'preview', ...preview, promptId: from?.promptId, node: from?.node };
  };
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
