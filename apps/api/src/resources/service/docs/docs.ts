import { FleetError } from '@comfy-fleet/contracts';
import type { ApiRequest, Handler, Reply } from '../../../server/messages.js';
import { fileReply } from './file-reply.js';
import { PAGE_POLICY } from './page.js';
import { createPageFiles, PAGE_NAME } from './page-files.js';

interface Docs {
  /** The page that shows openapi.json to people. */
  readonly page: Handler;
  /** What the page loads, `:file` of it. */
  readonly file: Handler;
}

export function createDocs(): Docs {
  const files = createPageFiles();
  const reply = async (request: ApiRequest, name: string): Promise<Reply> => {
    const file = await files(name);
    if (file === undefined) throw new FleetError('not_found', 'The documentation has no file of this name.');
    return fileReply(request, file, { 'Content-Security-Policy': PAGE_POLICY });
  };
  return {
    page: (request) => reply(request, PAGE_NAME),
    file: (request) => reply(request, request.params.file ?? ''),
  };
}
