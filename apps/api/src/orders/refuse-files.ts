import { type FileKind, FleetError, filesOf, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { MediaKind } from '@comfy-fleet/frames';
import { type Catalogue, fileWidget, type LoadedMedia, type Workflow, withFileWidgets } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
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
 * What the files of a job become when its nodes decode them. Throws validation_failed for files that are not, by their bytes, the medium that an input takes. ComfyUI opens media with
 * ffmpeg, which recognises playlists and scripts under any name and opens the files that they list: any file of the host,
 * and files of other callers. Files of retried jobs and old assets are judged here as well.
 */
export async function refuseFiles(
  { measureFile, allowedNodes }: Pick<Deps, 'measureFile' | 'allowedNodes'>,
  workflow: Workflow,
  request: ResolvedRequest,
  {
    caller,
    described,
    pointers,
  }: { readonly caller: Caller; readonly described: Catalogue | undefined; readonly pointers: Pointers },
): Promise<ReadonlyMap<string, LoadedMedia>> {
  const files = filesOf(request);
  const measured = new Map<string, LoadedMedia>();
  if (files.length === 0) return measured;
  const catalogue = described && withFileWidgets(described, allowedNodes);
  for (const [input, file] of files) {
    const wanted = mediaTaken(workflow, input, catalogue);
    if (wanted.length === 0 && file.width === undefined) continue;
    const media = await measureFile(caller.id, file);
    if (media !== undefined) measured.set(input, media);
    const found = media?.kind;
    const missed = wanted.find((kind) => found === undefined || !TAKEN[kind][1].includes(found));
    if (missed === undefined) continue;
    const pointer = pointers.input(input);
    const is = found === undefined ? 'neither an image nor a video nor audio' : CALLED[found];
    const detail = `must be ${TAKEN[missed][0]}; by its bytes the file is ${is}`;
    throw new FleetError('validation_failed', `${pointer} ${detail}.`.trim(), { errors: [{ pointer, detail }] });
  }
  return measured;
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
