/** What a request brought; `status` undefined: no answer, so its outcome is unknown. */
export interface Answer {
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly status: number | undefined;
  readonly body: unknown;
}

const DEADLINE_MS = 5000;

/** Asks for JSON. Never rejects: a connection that breaks or stays silent is an answer that did not come. */
export async function ask(url: string, method: string, body?: unknown): Promise<Answer> {
  const sentAt = Date.now();
  try {
    const answer = await fetch(url, {
      method,
      signal: AbortSignal.timeout(DEADLINE_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await answer.text();
    return { sentAt, answeredAt: Date.now(), status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
  } catch (error) {
    return { sentAt, answeredAt: Date.now(), status: undefined, body: String((error as Error).cause ?? error) };
  }
}
