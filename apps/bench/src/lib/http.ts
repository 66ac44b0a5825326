/** The result of a request. Without a `status` there was no answer, and the outcome is unknown. */
export interface Answer {
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly status: number | undefined;
  readonly body: unknown;
  /** Whether the answer repeats that to an earlier request with the same Idempotency-Key. */
  readonly replayed: boolean;
}

export interface Question {
  readonly method: string;
  /** The API key that the request sends. */
  readonly key?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** A form, or a value that is sent as JSON. */
  readonly body?: unknown;
  /** Whether to use a connection of its own. */
  readonly alone?: boolean;
  /** Default: 5000. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 5000;

/** Sends a request and reads the answer as JSON. Never rejects: without an answer the `status` is undefined. */
export async function ask(url: string, question: Question): Promise<Answer> {
  const sentAt = Date.now();
  try {
    const { method, body, deadlineMs = DEADLINE_MS } = question;
    const answer = await fetch(url, {
      method,
      headers: headersOf(question),
      signal: AbortSignal.timeout(deadlineMs),
      ...(body === undefined ? {} : { body: isForm(body) ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      sentAt,
      answeredAt: Date.now(),
      status: answer.status,
      body: read(text, answer.headers.get('content-type')),
      replayed: answer.headers.get('idempotent-replayed') === 'true',
    };
  } catch (error) {
    const body = String((error as Error).cause ?? error);
    return { sentAt, answeredAt: Date.now(), status: undefined, body, replayed: false };
  }
}

function headersOf({ key, idempotencyKey, alone, body }: Question): Record<string, string> {
  return {
    ...(alone === true ? { connection: 'close' } : {}),
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    ...(body === undefined || isForm(body) ? {} : { 'content-type': 'application/json' }),
  };
}

function isForm(body: unknown): body is FormData {
  return body instanceof FormData;
}

/** JSON is parsed; anything else, such as an error page of a proxy, is returned as text. */
function read(text: string, type: string | null): unknown {
  if (text === '') return undefined;
  return type?.includes('json') === true ? JSON.parse(text) : text;
}
