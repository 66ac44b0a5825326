import { type FileKind, FleetError, filesOf, type InputFile, type ResolvedRequest } from '@comfy-fleet/contracts';
import { type FrameStore, type MediaKind, mediaKindOf, TELLING_BYTES } from '@comfy-fleet/frames';
import { type Catalogue, fileWidget, type Workflow, withFileWidgets } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { Pointers } from './pointers.js';

/** The kinds of file that each kind of input takes, and their name in errors. */
const TAKEN: Readonly<Record<Exclude<FileKind, 'file'>, readonly [called: string, kinds: readonly MediaKind[]]>> = {
  image: ['an image', ['image', 'animation']],
  video: ['a video or an animated image', ['video', 'animation']],
  audio: ['audio or a video', ['audio', 'video']],
};
const CALLED: Readonly<Record<MediaKind, string>> = {
  image: 'a still image',
  animation: 'an animated image',
  video: 'a video',
  audio: 'audio',
};

/**
 * Throws validation_failed for files that are not, by their bytes, the medium that an input takes. ComfyUI opens media with
 * ffmpeg, which recognises playlists and scripts under any name and opens the files that they list: any file of the host,
 * and files of other callers. Files of retried jobs and old assets are judged here as well.
 */
export async function refuseFiles(
  { inputs, allowedNodes }: Pick<Deps, 'inputs' | 'allowedNodes'>,
  workflow: Workflow,
  request: ResolvedRequest,
  { described, pointers }: { readonly described: Catalogue | undefined; readonly pointers: Pointers },
): Promise<void> {
  const files = filesOf(request);
  if (files.length === 0) return;
  const catalogue = described && withFileWidgets(described, allowedNodes);
  for (const [input, file] of files) {
    const wanted = mediaTaken(workflow, input, catalogue);
    if (wanted.length === 0 || (isDecoded(file) && wanted.every((kind) => kind === 'image'))) continue;
    const found = await mediaKindOf(startOf(inputs, file));
    const missed = wanted.find((kind) => found === undefined || !TAKEN[kind][1].includes(found));
    if (missed === undefined) continue;
    const pointer = pointers.input(input);
    const is = found === undefined ? 'neither an image nor a video nor audio' : CALLED[found];
    const detail = `must be ${TAKEN[missed][0]}; by its bytes the file is ${is}`;
    throw new FleetError('validation_failed', `${pointer} ${detail}.`.trim(), { errors: [{ pointer, detail }] });
  }
}

/** By the input and by the node classes: some callers say themselves what kind of file an input takes. */
function mediaTaken({ graph, inputs }: Workflow, name: string, catalogue: Catalogue | undefined) {
  const input = inputs.find((one) => one.name === name);
  const widgets = input?.slots.map(({ node, input: widget }) => {
    const className = graph[node]?.class_type;
    return className === undefined ? undefined : fileWidget(className, widget, catalogue);
  });
  return [...new Set<string | undefined>([input?.type, ...(widgets ?? [])])].filter(isTold);
}

function isTold(kind: string | undefined): kind is keyof typeof TAKEN {
  return kind !== undefined && Object.hasOwn(TAKEN, kind);
}

/** Its size is known, because it was decoded when it was stored. */
function isDecoded({ kind, width, height }: InputFile): boolean {
  return kind === 'image' && width !== undefined && height !== undefined;
}

function startOf(inputs: FrameStore, { name, bytes = 1 }: InputFile) {
  return async (start: number): Promise<Buffer> => {
    const stream = start < bytes ? await inputs.open(name, { start, end: start + TELLING_BYTES - 1 }) : undefined;
    return stream === undefined ? Buffer.alloc(0) : Buffer.concat(await stream.toArray());
  };
}
