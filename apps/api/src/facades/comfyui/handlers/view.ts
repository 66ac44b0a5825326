import { FleetError } from '@comfy-fleet/contracts';
import { isFrameName } from '@comfy-fleet/frames';
import type { Deps } from '../../../deps.js';
import { maySeeOutput } from '../../../files/own-output.js';
import { type ServedFile, serveFile } from '../../../files/serve-file.js';
import { shownAs } from '../../../files/shown-as.js';
import { splitName } from '../../../files/split-name.js';
import { knownCaller } from '../../../server/caller.js';
import type { ApiRequest, Handler, Reply } from '../../../server/messages.js';
import { inSubfolder } from '../file-names.js';
import { refused } from '../refusal.js';
import { drawn, formOf } from './drawn-picture.js';

/**
 * A file that a job of the caller made, under its name here, or one that the caller uploaded (`type=input`), under the name
 * that its upload was answered with. `preview=webp;90` and `channel=rgb|rgba|a` give pictures in another form.
 */
export function view(deps: Deps): Handler {
  return async (request) => {
    const file = await chosen(deps, request);
    const form = formOf(request.query);
    if (file === undefined) throw notFound();
    if (form !== undefined) {
      const preview = form.kind === 'preview' ? await keptPreview(deps, request, file, form.format) : undefined;
      return preview ?? drawn(deps, request, file, form);
    }
    const reply = await serveFile(deps, request, file);
    if (reply === undefined) throw notFound();
    // The name of an upload may be given to another file.
    return file.isPrivate === true
      ? { ...reply, headers: { ...reply.headers, 'Cache-Control': 'private, no-cache' } }
      : reply;
  };
}

async function chosen(deps: Deps, { query, caller }: ApiRequest): Promise<ServedFile | undefined> {
  const asked = query.get('filename');
  if (asked === null) return undefined;
  const { name, folder = query.get('type') ?? 'output' } = splitName(asked);
  if (name === '' || name.startsWith('/') || name.includes('..')) {
    throw refused('invalid_request', 'filename must be the name of a file, and of no other folder');
  }
  if (!['input', 'output', 'temp'].includes(folder)) {
    throw refused('invalid_request', 'type must be input, output or temp');
  }
  const plain = name.slice(name.lastIndexOf('/') + 1);
  if (folder !== 'input' && (await maySeeOutput(deps, plain, knownCaller(caller)))) {
    return { store: deps.frames, name: plain, ...shownAs(plain, plain) };
  }
  // Some editors keep what they are about to use in the temporary folder.
  if (folder === 'output') return undefined;
  const wanted = inSubfolder(query.get('subfolder') ?? '', plain);
  const asset = await deps.ledger.assets.named(knownCaller(caller).id, wanted);
  if (asset === undefined) return undefined;
  const info = { bytes: asset.bytes, sha256: asset.digest };
  return { store: deps.inputs, name: asset.name, ...shownAs(plain, plain), info, isPrivate: true };
}

/** Of an output that is a picture: made once. */
async function keptPreview(
  deps: Deps,
  request: ApiRequest,
  { store, name }: ServedFile,
  format: 'webp' | 'jpeg',
): Promise<Reply | undefined> {
  if (store !== deps.frames || !isFrameName(name)) return undefined;
  const made = await deps.derived.get(
    name,
    { width: undefined, format },
    request.signal,
    knownCaller(request.caller).id,
  );
  return made && serveFile(deps, request, { store: deps.derivedStore, ...made });
}

function notFound(): FleetError {
  return new FleetError('file_not_found', 'There is no file of this name, or no longer.');
}
