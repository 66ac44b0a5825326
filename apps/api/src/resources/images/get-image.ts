import { FleetError } from '@comfy-fleet/contracts';
import { contentTypeOf, isFrameName } from '@comfy-fleet/frames';
import type { Deps } from '../../deps.js';
import { keyOfVisit, maySeeOutput } from '../../files/own-output.js';
import { type ServedFile, serveFile } from '../../files/serve-file.js';
import type { ApiRequest, Handler } from '../../server/messages.js';

/** A picture that a job made, or with `?width=` or `?format=` a smaller or lighter form of it. */
export function getImage(deps: Deps): Handler {
  const { access } = deps.config;
  return async (request) => {
    const { filename = '' } = request.params;
    const caller = access.publicImages ? undefined : request.caller;
    const isSeen = isFrameName(filename) && (await maySeeOutput(deps, filename, caller));
    const file = isSeen ? await chosen(deps, filename, request) : undefined;
    const reply = file && (await serveFile(deps, request, file));
    if (reply !== undefined) return reply;
    throw new FleetError('image_not_found', 'There is no picture of this name, or no longer.');
  };
}

async function chosen(deps: Deps, name: string, request: ApiRequest): Promise<ServedFile | undefined> {
  const { frames, derived, derivedStore } = deps;
  const form = derived.wanted(request.query, name);
  if (form === undefined) return { store: frames, name, contentType: contentTypeOf(name) };
  const made = await derived.get(name, form, request.signal, keyOfVisit(deps, request));
  return made && { store: derivedStore, ...made };
}
