/** What a request brought; `status` undefined: no answer, so its outcome is unknown. */
export interface Answer {
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly status: number | undefined;
  readonly body: unknown;
  /** The answer says that it was given before, to a request with the same Idempotency-Key. */
  readonly replayed: boolean;
}

export interface Question {
  readonly method: string;
  /** The API key of who asks. */
  readonly key?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** Sent as JSON, unless it is a form. */
  readonly body?: unknown;
  /** Over a connection of its own. */
  readonly alone?: boolean;
  /** Default: 5000. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 5000;

/** Asks for JSON. Never rejects: a connection that breaks or stays silent is an answer that did not come. */
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

/** What is no JSON, a proxy's own word for instance, as text. */
function read(text: string, type: string | null): unknown {
  if (text === '') return undefined;
  return type?.includes('json') === true ? JSON.parse(text) : text;
}
