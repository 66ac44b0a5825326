import { readFile } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import type { Problem, WorkflowAnswer } from '@comfy-fleet/contracts';
import { readWorkflowFile, WorkflowError } from '@comfy-fleet/workflows';
import type { Api } from '../callers/connect.js';
import { CommandError } from '../command.js';
import { codeOfStatus, EXIT } from '../exit-codes.js';

const API_DEADLINE_MS = 30_000;

interface Sent {
  readonly method?: 'PUT';
  readonly contentType?: string;
  readonly body?: string | Buffer;
}

/** Returns the parsed answer and its status. Throws a CommandError. */
export async function askApi(
  { url, key }: Api,
  path: string,
  { method, contentType, body }: Sent = {},
): Promise<{ status: number; body: unknown }> {
  const headers: Record<string, string> = {
    ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
    ...(contentType === undefined ? {} : { 'Content-Type': contentType }),
  };
  const signal = AbortSignal.timeout(API_DEADLINE_MS);
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(url + path, { method: method ?? 'GET', headers, body: body ?? null, signal });
    text = await answer.text();
  } catch (error) {
    throw new CommandError(`${url} does not answer (${reasonOf(error)}). Name the API with --url.`, EXIT.unavailable);
  }
  if (answer.ok) return { status: answer.status, body: parsed(text, url) };
  const { title, detail } = parsed(text, url) as Partial<Problem>;
  const advice = answer.status === 401 || answer.status === 403 ? ' Pass a key with the scope admin with --key.' : '';
  throw new CommandError(
    `${url} answered ${answer.status}: ${detail ?? title ?? text}${advice}`,
    codeOfStatus(answer.status),
  );
}

function parsed(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError(`${url} did not answer with JSON: it is not a comfy-fleet API.`, EXIT.refused);
  }
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : message;
}

const PICTURES: Readonly<Record<string, string>> = { '.png': 'image/png', '.webp': 'image/webp' };
const READ_TIMEOUT_MS = 10_000;

/**
 * Publishes a file through the API: a graph with the inputs and bindings files beside it, or a picture made by ComfyUI.
 * Throws a CommandError, or a WorkflowError if the file is not a workflow.
 */
export async function addWorkflow(
  file: string,
  name: string | undefined,
  api: Api,
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

/** Rethrows a WorkflowError as a CommandError, and anything else unchanged. */
export function throwCommandError(error: unknown): never {
  throw error instanceof WorkflowError ? new CommandError(error.message) : error;
}
