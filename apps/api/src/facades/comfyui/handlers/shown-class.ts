import { isRecord } from '../../../server/is-record.js';

/** By which a choice says that it lists files of some kind, and how their names end. */
const UPLOADS: readonly (readonly [flag: string, pattern: RegExp])[] = [
  ['image_upload', /\.(png|jpe?g|webp|bmp|gif|tiff?|avif)$/i],
  ['video_upload', /\.(mp4|webm|mov|mkv|avi|m4v|gif)$/i],
  ['audio_upload', /\.(wav|mp3|flac|ogg|opus|m4a|aac|mp4|webm)$/i],
  ['file_upload', /./],
];

/**
 * A node class as old clients read it: choices as `[[…], {…}]`, whichever form the instance has, and the caller's uploads
 * where one is a file.
 */
export function shownClass(description: unknown, uploads: readonly string[]): unknown {
  if (!isRecord(description) || !isRecord(description.input)) return description;
  const sections = Object.entries(description.input).map(([section, inputs]) => {
    if (!isRecord(inputs) || section === 'hidden') return [section, inputs];
    const shown = Object.entries(inputs).map(([name, described]) => [name, shownInput(described, uploads)]);
    return [section, Object.fromEntries(shown)];
  });
  return { ...description, input: Object.fromEntries(sections) };
}

function shownInput(described: unknown, uploads: readonly string[]): unknown {
  if (!Array.isArray(described)) return described;
  const [type, config] = described as unknown[];
  const more = isRecord(config) ? config : {};
  const upload = UPLOADS.find(([flag]) => more[flag] === true);
  const isChoice = Array.isArray(type) || type === 'COMBO';
  if (upload !== undefined && isChoice) return [uploads.filter((name) => upload[1].test(name)), more];
  // A choice that is filled from elsewhere has no options of its own.
  if (type !== 'COMBO' || !Array.isArray(more.options)) return described;
  const { options, ...rest } = more;
  return [options, rest];
}
