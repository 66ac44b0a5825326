export { createFileFrames, type FileFrames } from './file-frames.js';
export type { ByteRange, FrameInfo, FrameStore, StoredFrame } from './frame-store.js';
export { frameName, inputName, inputSha256, isFrameName, isInputName, jobOfPicture } from './names.js';
