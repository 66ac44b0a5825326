interface ReceivedEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

export interface EventStream {
  readonly comments: string[];
  /** The delays in ms after which the stream told the client to reconnect. */
  readonly retries: number[];
  /** The next event; undefined when the stream has ended. */
  next(): Promise<ReceivedEvent | undefined>;
  /** All events up to the end of the stream. */
  rest(): Promise<ReceivedEvent[]>;
}

/** Reads text/event-stream as it arrives, in the form that the API writes: one line for each field. */
export function readEvents(answer: Response): EventStream {
  if (answer.body === null) throw new Error('an answer without a body');
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const comments: string[] = [];
  const retries: number[] = [];
  let text = '';

  const nextBlock = async (): Promise<string | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        return block;
      }
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += value;
    }
  };
  const next = async (): Promise<ReceivedEvent | undefined> => {
    for (;;) {
      const block = await nextBlock();
      if (block === undefined) return undefined;
      if (block.startsWith('retry: ')) retries.push(Number(block.slice('retry: '.length)));
      else if (block.startsWith(':')) comments.push(block);
      else return parse(block);
    }
  };
  const rest = async () => {
    const all: ReceivedEvent[] = [];
    for (let event = await next(); event !== undefined; event = await next()) all.push(event);
    return all;
  };
  return { comments, retries, next, rest };
}

function parse(block: string): ReceivedEvent {
  const fields = new Map(block.split('\n').map((line) => [line.split(': ', 1)[0], line.slice(line.indexOf(': ') + 2)]));
  return { event: fields.get('event') ?? '', id: fields.get('id'), data: JSON.parse(fields.get('data') ?? 'null') };
}
