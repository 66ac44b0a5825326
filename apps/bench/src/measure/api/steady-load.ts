import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface SteadyLoad {
  readonly url: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly ask: (index: number) => {
    readonly method: string;
    readonly path: string;
    readonly body?: string;
  };
  readonly headers: Readonly<Record<string, string>>;
}

export interface Answer {
  /** From when the request was due, in milliseconds: waiting behind others counts. */
  readonly ms: number;
  readonly body: string;
}

/** Connections that are there from the start: those of an open loop would otherwise be made when it is slowest. */
const MOST_SOCKETS = 64;
const TIMEOUT_MS = 30_000;

/**
 * So many requests a second, whether or not those before have been answered, at random moments as those of many callers
 * are. Throws when one is not answered with 200 or 202.
 */
export async function steadyLoad({ url, perSecond, seconds, ask, headers }: SteadyLoad): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_SOCKETS });
  const answers: Promise<Answer>[] = [];
  const began = performance.now();
  try {
    for (const [index, offset] of dueTimes(perSecond, seconds, Math.random).entries()) {
      const due = began + offset;
      while (performance.now() < due) await delay(due - performance.now());
      const answer = once(agent, url, { ...ask(index), headers, due });
      answer.catch(() => {}); // until all are waited for
      answers.push(answer);
    }
    return await Promise.all(answers);
  } finally {
    agent.destroy();
  }
}

/** When the requests are due, in ms from the beginning: the gaps are those of arrivals that know nothing of each other. */
export function dueTimes(perSecond: number, seconds: number, random: () => number): number[] {
  const times: number[] = [];
  for (let at = 0; ; times.push(at)) {
    at -= (Math.log(1 - random()) * 1000) / perSecond;
    if (at >= seconds * 1000) return times;
  }
}

interface Once {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly due: number;
}

function once(agent: Agent, url: string, { method, path, body, headers, due }: Once): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': `${Buffer.byteLength(body)}` };
    const options = { agent, method, headers: { ...headers, ...length }, signal: AbortSignal.timeout(TIMEOUT_MS) };
    const sent = request(`${url}${path}`, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode } = response;
        if (statusCode === 200 || statusCode === 202) resolve({ ms: performance.now() - due, body: text });
        else reject(new Error(`${method} ${path}: ${statusCode} ${text}`));
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
