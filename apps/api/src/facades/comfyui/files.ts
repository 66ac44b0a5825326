import { FleetError } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { maySeeOutput, splitName } from '../../files/ownership.js';
import { type ServedFile, serveFile, shownAs } from '../../files/serve-file.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { refused } from './dialect.js';

const DEFAULT_FILENAME = 'image.png';

/** The path of a file in its subfolder. Throws a ComfyuiRefusal if the subfolder is absolute or contains `..`. */
function inSubfolder(subfolder: string, name: string): string {
  const parts = subfolder.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  if (/^[\\/]/.test(subfolder) || parts.includes('..')) {
    throw refused('invalid_request', 'subfolder must be a path below the folder of uploads');
  }
  return [...parts, name].join('/');
}

/** Reads a text field of the form. */
function textOf({ body }: ApiRequest, name: string): string {
  const value = isRecord(body) ? body[name] : undefined;
  return typeof value === 'string' ? value : '';
}

/** Keeps an upload under the requested name, or as `x (1).png` if another file has that name. Ignores the field `type`. */
export async function uploadImage({ ledger }: Deps, request: ApiRequest): Promise<Reply> {
  const sent = request.files.find(({ field }) => field === 'image');
  if (sent === undefined) throw refused('invalid_request', 'The form must have a file called "image"');
  const { filename = DEFAULT_FILENAME, file } = sent;
  const { id: key } = request.caller;
  const wanted = inSubfolder(textOf(request, 'subfolder'), filename);
  const isNumbered = !['true', '1'].includes(textOf(request, 'overwrite'));
  const { asset } = await ledger.assets.keep(key, { ...file, filename }, { path: wanted, isNumbered });
  const given = asset.path ?? wanted;
  const at = given.lastIndexOf('/') + 1;
  const body = { name: given.slice(at), subfolder: given.slice(0, Math.max(0, at - 1)), type: 'input' };
  return { status: 200, body };
}

/**
 * Serves an output of the caller's jobs by its stored name, or an upload of the caller (`type=input`) by the name in the
 * response to the upload. Ignores `preview` and `channel`.
 */
export async function view(deps: Deps, request: ApiRequest): Promise<Reply> {
  const file = await chosenFile(deps, request);
  const reply = file && (await serveFile(deps, request, file));
  if (reply === undefined)
    throw new FleetError('file_not_found', 'There is no file with this name, or it was deleted.');
  // A later upload may replace the file of that name.
  return file?.isPrivate === true
    ? { ...reply, headers: { ...reply.headers, 'Cache-Control': 'private, no-cache' } }
    : reply;
}

async function chosenFile(deps: Deps, { query, caller }: ApiRequest): Promise<ServedFile | undefined> {
  const asked = query.get('filename');
  if (asked === null) return undefined;
  const { name, folder = query.get('type') ?? 'output' } = splitName(asked);
  if (name === '' || name.startsWith('/') || name.includes('..')) {
    throw refused('invalid_request', 'filename must be the name of a file, without ".." or a leading "/"');
  }
  if (!['input', 'output', 'temp'].includes(folder)) {
    throw refused('invalid_request', 'type must be input, output or temp');
  }
  const plain = name.slice(name.lastIndexOf('/') + 1);
  const shown = shownAs(plain, plain);
  if (folder !== 'input' && (await maySeeOutput(deps, plain, caller))) {
    return { store: deps.frames, name: plain, ...shown };
  }
  // Some editors ask for uploads in the temporary folder.
  if (folder === 'output') return undefined;
  const asset = await deps.ledger.assets.named(caller.id, inSubfolder(query.get('subfolder') ?? '', plain));
  if (asset === undefined) return undefined;
  const info = { bytes: asset.bytes, sha256: asset.digest };
  return { store: deps.inputs, name: asset.name, ...shown, info, isPrivate: true };
}
