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
  /** Sent as JSON. */
  readonly body?: unknown;
}

const DEADLINE_MS = 5000;

/** Asks for JSON. Never rejects: a connection that breaks or stays silent is an answer that did not come. */
export async function ask(url: string, question: Question): Promise<Answer> {
  const sentAt = Date.now();
  try {
    const { method, body } = question;
    const answer = await fetch(url, {
      method,
      headers: headersOf(question),
      signal: AbortSignal.timeout(DEADLINE_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      sentAt,
      answeredAt: Date.now(),
      status: answer.status,
      body: text === '' ? undefined : JSON.parse(text),
      replayed: answer.headers.get('idempotent-replayed') === 'true',
    };
  } catch (error) {
    const body = String((error as Error).cause ?? error);
    return { sentAt, answeredAt: Date.now(), status: undefined, body, replayed: false };
  }
}

function headersOf({ key, idempotencyKey, body }: Question): Record<string, string> {
  return {
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
}
