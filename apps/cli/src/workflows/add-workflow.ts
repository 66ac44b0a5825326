import { readFile } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import type { WorkflowAnswer } from '@comfy-fleet/contracts';
import { readWorkflowFile, WorkflowError } from '@comfy-fleet/workflows';
import { type ApiAddress, askApi } from './ask-api.js';

const PICTURES: Readonly<Record<string, string>> = { '.png': 'image/png', '.webp': 'image/webp' };
const READ_TIMEOUT_MS = 10_000;

/**
 * Publishes a file through the API: a graph with the inputs and bindings files beside it, or a picture made by ComfyUI.
 * Throws an Obstacle, and a WorkflowError for what is no workflow.
 */
export async function addWorkflow(
  file: string,
  name: string | undefined,
  api: ApiAddress,
): Promise<{ readonly isNew: boolean; readonly workflow: WorkflowAnswer }> {
  const extension = extname(file).toLowerCase();
  const called = name ?? basename(file, extname(file));
  const picture = PICTURES[extension];
  const sent =
    picture === undefined
      ? {
          contentType: 'application/json',
          body: (await readWorkflowFile(dirname(file), basename(file, extension))).text,
        }
      : { contentType: picture, body: await readPicture(file) };
  const { status, body } = await askApi(api, `/workflows/${encodeURIComponent(called)}`, { method: 'PUT', ...sent });
  return { isNew: status === 201, workflow: body as WorkflowAnswer };
}

async function readPicture(file: string): Promise<Buffer> {
  try {
    return await readFile(file, { signal: AbortSignal.timeout(READ_TIMEOUT_MS) });
  } catch (error) {
    throw new WorkflowError([`${file}: cannot be read (${error instanceof Error ? error.message : String(error)})`]);
  }
}
