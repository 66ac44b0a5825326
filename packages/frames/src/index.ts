export { type Edit, editFile } from './edit-file.js';
export { exifText, isTurned, type PictureSize, withUnclearShape, xmpTurns } from './exif.js';
export { createFileFrames } from './file-frames.js';
export { type FileFacts, fileFactsOf, type MediaKind, mediaKindOf, TELLING_BYTES } from './file-types.js';
export type { ByteRange, FrameInfo, FrameStore, FrameStores, StoredFrame } from './frame-store.js';
export {
  contentTypeOf,
  extensionOf,
  FRAME_TYPES,
  type FrameType,
  frameTypeOf,
  frameTypeOfName,
} from './frame-types.js';
export { MediaFault, refuseHiddenMedia } from './hidden-media.js';
export { measureHeif } from './measure-heif.js';
export { measureMedia } from './measure-media.js';
export { measurePicture } from './measure-picture.js';
export { measureTiff } from './measure-tiff.js';
export { type MediaFacts, mediaFacts, type StoredMedia } from './media-facts.js';
export {
  copyName,
  frameName,
  inputDigest,
  inputName,
  isFrameName,
  isInputName,
  isOutputName,
  jobOfPicture,
  plainName,
} from './names.js';
export { openFrameStores } from './open-stores.js';
export { CONTAINERS, type Container, rewriteMedia } from './rewrite-media.js';
export { signDownload } from './s3/sign-download.js';
