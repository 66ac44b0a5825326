import { FleetError } from '@comfy-fleet/contracts';
import { unexpectedStatus } from './answers.js';
import type { Http } from './http.js';
import { type Member, membersOf } from './members.js';

/** GET /object_info; see `ComfyClient.nodeClasses`. */
export async function* readNodeClasses(
  http: Http,
  instance: string,
  { signal, maxBytes }: { readonly signal: AbortSignal; readonly maxBytes: number },
): AsyncGenerator<Member> {
  const { status, body } = await http.stream({ method: 'GET', path: '/object_info', signal });
  if (status !== 200) {
    body.destroy();
    throw unexpectedStatus(instance, 'GET /object_info', status);
  }
  try {
    yield* membersOf(bounded(body, instance, maxBytes));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const detail = `The ComfyUI instance ${instance} did not answer in JSON to GET /object_info.`;
    throw new FleetError('comfyui_error', detail, { cause });
  } finally {
    body.destroy();
  }
}

async function* bounded(chunks: AsyncIterable<Buffer>, instance: string, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      const detail = `The ComfyUI instance ${instance} describes its nodes with more than ${maxBytes} bytes.`;
      throw new FleetError('comfyui_error', detail);
    }
    yield chunk;
  }
}
