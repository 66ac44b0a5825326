import type { ExpandedFrom } from '@comfy-fleet/contracts';
import { parseAnswer } from './json.js';
import { expandedFrom, objectOr, textOr } from './shapes.js';

/** A picture out of a binary frame; prompt and node if the frame names them. */
export interface PreviewFrame {
  readonly promptId: string | undefined;
  readonly node: string | undefined;
  readonly expandedFrom?: ExpandedFrom;
  readonly contentType: string;
  readonly image: Buffer;
}

const PLAIN = 1;
const WITH_METADATA = 4;
const IMAGE_TYPES: Readonly<Record<number, string>> = { 1: 'image/jpeg', 2: 'image/png' };

/**
 * Reads a binary frame; all numbers are 4 bytes big-endian. Plain: 1, image type, image. With metadata: 4, length of a
 * JSON text, the text, image. Undefined for other kinds (3 is a text of a node) and for what is cut short.
 */
export function readPreviewFrame(frame: Buffer): PreviewFrame | undefined {
  if (frame.length < 8) return undefined;
  const kind = frame.readUInt32BE(0);
  const second = frame.readUInt32BE(4);
  if (kind === PLAIN) {
    const contentType = IMAGE_TYPES[second];
    if (contentType === undefined) return undefined;
    return { promptId: undefined, node: undefined, contentType, image: frame.subarray(8) };
  }
  const start = 8 + second;
  if (kind !== WITH_METADATA || start > frame.length) return undefined;
  try {
    const about = objectOr(parseAnswer(frame.toString('utf8', 8, start)));
    const contentType = textOr(about.image_type);
    if (contentType === undefined) return undefined;
    return {
      promptId: textOr(about.prompt_id),
      node: textOr(about.node_id),
      ...expandedFrom(about.display_node_id, about.parent_node_id, about.real_node_id),
      contentType,
      image: frame.subarray(start),
    };
  } catch {
    return undefined;
  }
}
