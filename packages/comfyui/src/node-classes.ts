import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { type Http, unexpectedStatus } from './http.js';

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

/** A member of a JSON object: its name and the text of its value. */
export type Member = readonly [name: string, text: string];

const [SPACE, QUOTE, BACKSLASH, COMMA] = [0x20, 0x22, 0x5c, 0x2c];
const [OPEN_BRACE, OPEN_BRACKET, CLOSE_BRACE, CLOSE_BRACKET] = [0x7b, 0x5b, 0x7d, 0x5d];
const NAMED = /^\s*("(?:[^"\\]|\\.)*")\s*:\s*/;

/**
 * Splits the JSON text of an object into its members while it arrives, without parsing values: each step is short,
 * however large the whole is, and yields to the event loop. Throws a SyntaxError for anything but a complete object.
 */
export async function* membersOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Member> {
  const splitter = createSplitter();
  for await (const chunk of chunks) {
    yield* splitter.split(chunk);
    if (splitter.isDone()) return;
    // Otherwise all data that has arrived would be processed in one go.
    await yieldToEventLoop();
  }
  throw new SyntaxError('ended early');
}

/** Not in the generator, where V8 runs a loop over bytes ten times as slowly. */
function createSplitter() {
  let depth = 0;
  let isInText = false;
  let isEscaped = false;
  let isDone = false;
  let parts: Buffer[] = [];

  const split = (chunk: Buffer): Member[] => {
    const members: Member[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length && !isDone; at += 1) {
      const byte = chunk[at] ?? 0;
      if (isInText) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) isInText = false;
      } else if (depth === 0) {
        if (byte <= SPACE) continue;
        if (byte !== OPEN_BRACE) throw new SyntaxError('no object');
        depth = 1;
        start = at + 1;
      } else if (byte === QUOTE) {
        isInText = true;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth += 1;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET || (byte === COMMA && depth === 1)) {
        if (byte !== COMMA) depth -= 1;
        if (depth > 1 || (depth === 1 && byte !== COMMA)) continue;
        isDone = depth === 0;
        const text = Buffer.concat([...parts, chunk.subarray(start, at)]).toString();
        parts = [];
        start = at + 1;
        if (!isDone || text.trim() !== '') members.push(memberIn(text));
      }
    }
    if (depth > 0) parts.push(chunk.subarray(start));
    return members;
  };
  return { split, isDone: () => isDone };
}

function memberIn(text: string): Member {
  const [all, name] = NAMED.exec(text) ?? [];
  if (all === undefined || name === undefined) throw new SyntaxError('no member');
  return [JSON.parse(name) as string, text.slice(all.length).trimEnd()];
}
