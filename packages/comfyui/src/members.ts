/** The members of a JSON object, each as its name and the text of its value. */
export type Member = readonly [name: string, text: string];

const [SPACE, QUOTE, BACKSLASH, COMMA] = [0x20, 0x22, 0x5c, 0x2c];
const [OPEN_BRACE, OPEN_BRACKET, CLOSE_BRACE, CLOSE_BRACKET] = [0x7b, 0x5b, 0x7d, 0x5d];
const NAMED = /^\s*("(?:[^"\\]|\\.)*")\s*:\s*/;

/**
 * Takes the JSON text of an object apart into its members while it arrives, and parses no value: no piece of it takes
 * long, however large the whole is. Throws a SyntaxError for what is no object, or not all of one.
 */
export async function* membersOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Member> {
  let depth = 0;
  let isInText = false;
  let isEscaped = false;
  let parts: Buffer[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (depth === 0 && byte !== OPEN_BRACE && byte > SPACE) throw new SyntaxError('no object');
      if (isInText) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) isInText = false;
      } else if (byte === QUOTE) {
        isInText = true;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth += 1;
        if (depth === 1) start = at + 1;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET || (byte === COMMA && depth === 1)) {
        if (byte !== COMMA) depth -= 1;
        if (byte !== COMMA && depth > 0) continue;
        const text = Buffer.concat([...parts, chunk.subarray(start, at)]).toString();
        parts = [];
        start = at + 1;
        if (depth > 0 || text.trim() !== '') yield memberIn(text);
        if (depth === 0) return;
      }
    }
    if (depth > 0) parts.push(chunk.subarray(start));
  }
  throw new SyntaxError('ended early');
}

function memberIn(text: string): Member {
  const [all, name] = NAMED.exec(text) ?? [];
  if (all === undefined || name === undefined) throw new SyntaxError('no member');
  return [JSON.parse(name) as string, text.slice(all.length).trimEnd()];
}
