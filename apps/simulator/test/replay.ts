import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isObject, type Json, type JsonObject, parseJson, writeJson } from '../src/python.js';
import type { ComfyVersion, SimulatorSettings } from '../src/settings.js';
import { type Simulator, startSimulator } from '../src/simulator.js';
import { ask, askJson, type Got } from './client.js';
import { Names, normalised } from './compare.js';
import { primerFor } from './graphs.js';
import { asObject, type Exchange, recording } from './recording.js';

export interface SuiteOptions {
  readonly settings?: Partial<SimulatorSettings>;
  /** Exchanges that the simulator does not reproduce on purpose, each with the reason. */
  readonly notReproduced?: Readonly<Record<string, string>>;
  /** Creates the state in which the recording began. */
  readonly setup?: (replay: Replay, simulator: Simulator) => Promise<void> | void;
  /** Repeats what happened just before an exchange without being recorded. */
  readonly before?: Readonly<
    Record<string, (replay: Replay, simulator: Simulator, exchange: Exchange) => Promise<void> | void>
  >;
  /** Exchanges for which the cache has to hold what it held in the recording. */
  readonly primed?: readonly string[];
  /** Sends an exchange whose body the recording does not have. */
  readonly send?: (replay: Replay, exchange: Exchange, simulator: Simulator) => Promise<void> | undefined;
  /** Checks observations recorded next to the exchange. */
  readonly observe?: (replay: Replay, exchange: Exchange, simulator: Simulator) => Promise<void> | void;
}

/** Replays one recording in order against one simulator, with a test for each exchange. */
export function replaySuite(version: ComfyVersion, file: string, options: SuiteOptions = {}): void {
  describe(`${version} ${file}`, () => {
    const exchanges = recording(version, file);
    let simulator: Simulator;
    let replay: Replay;
    beforeAll(async () => {
      simulator = await startSimulator({ version, stepMs: 4, deviceName: 'cpu', loras: [], ...options.settings });
      replay = new Replay(simulator, exchanges);
      await options.setup?.(replay, simulator);
    });
    afterAll(() => simulator.close());

    const skipped = options.notReproduced ?? {};
    it('names only existing exchanges as not reproduced, each with a reason', () => {
      const names = exchanges.map(({ name }) => name);
      for (const [name, reason] of Object.entries(skipped))
        expect([names.includes(name), reason.length > 10]).toEqual([true, true]);
    });
    for (const exchange of exchanges) {
      if (skipped[exchange.name] !== undefined) continue;
      it(`answers as recorded: ${exchange.name}`, async () => {
        if (options.primed?.includes(exchange.name)) await replay.primeAsRecorded(exchange);
        await options.before?.[exchange.name]?.(replay, simulator, exchange);
        const sent = options.send?.(replay, exchange, simulator);
        if (sent !== undefined) await sent;
        else if (exchange.request !== undefined && exchange.response !== undefined) await replay.check(exchange);
        await options.observe?.(replay, exchange, simulator);
      });
    }
  });
}

const UUIDS = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const FILES = /[^"/ ]*_\d{5}_\.png/g;
const COMPARED_HEADERS = [
  'content-type',
  'content-disposition',
  'allow',
  'accept-ranges',
  'connection',
  'cache-control',
  'vary',
  'x-content-type-options',
];

/** Replays the exchanges of one recording, in order, against one simulator. */
export class Replay {
  readonly names = new Names();
  private readonly simulator: Simulator;
  private readonly exchanges: readonly Exchange[];
  private readonly etags = new Map<string, { etag: string; modified: string }>();

  constructor(simulator: Simulator, exchanges: readonly Exchange[]) {
    this.simulator = simulator;
    this.exchanges = exchanges;
  }

  /** Sends the recorded request and compares status, headers and body. */
  async check(exchange: Exchange, body?: Buffer, headers: Record<string, string> = {}): Promise<Got> {
    const { request, response } = exchange;
    if (request === undefined || response === undefined) throw new Error(`${exchange.name} is not an exchange`);
    await this.prepare(exchange);
    const text = request.body_text ?? (request.body === undefined ? '' : writeJson(request.body));
    const sent = body ?? this.names.actual(text);
    const path = this.names.actual(request.path);
    const got = await ask(this.simulator.url, request.method, path, sent, {
      ...this.headersOf(exchange, path),
      ...headers,
    });
    this.remember(path, got);
    expect({ name: exchange.name, status: got.status, ...this.bodyOf(exchange, got) }).toEqual({
      name: exchange.name,
      status: response.status,
      ...this.expectedBody(exchange),
    });
    expect(this.headersGot(got)).toEqual(this.headersExpected(exchange));
    return got;
  }

  /** Creates the state that the recorded server had before this exchange. */
  private async prepare({ request, response, name }: Exchange): Promise<void> {
    const named = isObject(request?.body) ? request.body.prompt_id : undefined;
    if (request?.path === '/interrupt' && typeof named === 'string') await this.untilRunning(named);
    const path = request?.path ?? '';
    const body = response?.body;
    if (path === '/queue' && isObject(body)) await this.fillQueue(body);
    const promptId = decodeURIComponent(/^\/(?:api\/jobs|history)\/([^/]+)$/.exec(path)?.[1] ?? '');
    if (promptId === '' || !isObject(body) || Object.keys(body).length === 0 || response?.status !== 200) return;
    if (path.startsWith('/history')) {
      await this.ensureSubmitted(promptId, body[promptId] as JsonObject);
      await this.untilEnded(promptId, name);
    } else if (body.execution_end_time !== undefined) await this.untilEnded(promptId, name);
  }

  private async fillQueue(recorded: JsonObject): Promise<void> {
    const prompts = [...(recorded.queue_running as Json[][]), ...(recorded.queue_pending as Json[][])];
    const missing = prompts.filter(([, id]) => !this.names.isKnown(String(id)));
    for (const [at, [, id, graph, extraData]] of missing.sort(byNumber).entries()) {
      await this.submit(String(id), graph as JsonObject, extraData as JsonObject);
      if (at === 0) await this.untilRunning(String(id));
    }
  }

  /** Submits a prompt from its history entry if its submission was not recorded, with the same nodes in the cache. */
  private async ensureSubmitted(promptId: string, entry: JsonObject): Promise<void> {
    if (this.names.isKnown(promptId)) return;
    const [, , graph, extraData] = entry.prompt as Json[];
    await this.prime(graph as JsonObject, cachedNodes(entry));
    await this.submit(promptId, graph as JsonObject, extraData as JsonObject);
  }

  async submit(promptId: string, graph: JsonObject, extraData: JsonObject): Promise<void> {
    // Only a client chooses an id that is not a UUID.
    const own = UUID.test(promptId) ? {} : { prompt_id: promptId };
    const answer = await askJson(this.simulator.url, 'POST', '/prompt', {
      prompt: graph,
      extra_data: extraData,
      ...own,
    });
    this.names.tie(promptId, String(answer.prompt_id));
  }

  /** Runs another prompt that leaves only these nodes of the graph in the cache. */
  async prime(graph: JsonObject, cached: readonly string[]): Promise<void> {
    const answer = await askJson(this.simulator.url, 'POST', '/prompt', { prompt: primerFor(graph, cached) });
    await this.untilHistory(String(answer.prompt_id));
  }

  private async untilEnded(recordedId: string, name: string): Promise<void> {
    if (this.names.isKnown(recordedId) || recordedId.length > 0)
      await this.untilHistory(this.names.actual(recordedId), name);
  }

  async untilHistory(id: string, name = 'a primer'): Promise<JsonObject> {
    const path = `/history/${encodeURIComponent(id)}`;
    for (const deadline = performance.now() + 60_000; performance.now() < deadline; ) {
      const answer = await askJson(this.simulator.url, 'GET', path);
      if (isObject(answer[id])) return answer[id] as JsonObject;
    }
    throw new Error(`${name}: ${id} did not appear in the history`);
  }

  /** Fills the cache with the nodes that the recorded prompt found there. */
  async primeAsRecorded(exchange: Exchange): Promise<void> {
    const { prompt } = asObject(exchange.request?.body);
    const id = String(asObject(exchange.response?.body).prompt_id);
    const cached = this.exchanges.flatMap(({ response }) => {
      const entry = isObject(response?.body) ? response.body[id] : undefined;
      return isObject(entry) ? [cachedNodes(entry)] : [];
    });
    await this.prime(prompt as JsonObject, cached[0] ?? []);
  }

  /** Waits until no prompt runs or waits. */
  async untilIdle(): Promise<void> {
    for (const deadline = performance.now() + 60_000; performance.now() < deadline; ) {
      const { exec_info: info } = await askJson(this.simulator.url, 'GET', '/prompt');
      if ((info as JsonObject).queue_remaining === 0) return;
    }
    throw new Error('the simulator did not become idle');
  }

  /** Submits the prompt of a later exchange with its history or job, and waits until it runs. */
  async startFromLater(name: string): Promise<void> {
    const body = asObject(this.exchanges.find((exchange) => exchange.name === name)?.response?.body);
    const [id, entry] =
      typeof body.id === 'string' ? [body.id, body] : (Object.entries(body)[0] as [string, JsonObject]);
    const workflow = entry.workflow as JsonObject | undefined;
    const [, , graph, extraData] = (entry.prompt ?? [0, id, workflow?.prompt, workflow?.extra_data]) as Json[];
    await this.submit(id, graph as JsonObject, extraData as JsonObject);
    await this.untilRunning(id);
  }

  /** Submits the running prompt of the first queue after this exchange, and waits until it runs. */
  async startFromQueue(exchange: Exchange): Promise<void> {
    const later = this.exchanges.slice(this.exchanges.indexOf(exchange));
    const queue = asObject(later.find(({ request }) => request?.path === '/queue')?.response?.body);
    const [, id, graph, extraData] = (queue.queue_running as Json[][])[0] ?? [];
    await this.submit(String(id), graph as JsonObject, extraData as JsonObject);
    await this.untilRunning(String(id));
  }

  async untilRunning(recordedId: string): Promise<void> {
    const id = this.names.actual(recordedId);
    for (const deadline = performance.now() + 60_000; performance.now() < deadline; ) {
      const { queue_running: running } = await askJson(this.simulator.url, 'GET', '/queue');
      if ((running as Json[][])[0]?.[1] === id) return;
    }
    throw new Error(`${id} did not start`);
  }

  private headersOf({ request }: Exchange, path: string): Record<string, string> {
    const headers = { ...request?.headers };
    // The address of the recorded server.
    if (headers.Origin?.endsWith(':8189')) headers.Origin = headers.Origin.replace('8189', String(this.simulator.port));
    const known = this.etags.get(path);
    if (headers['If-None-Match'] !== undefined && known !== undefined) headers['If-None-Match'] = known.etag;
    if (headers['If-Modified-Since'] !== undefined && known !== undefined)
      headers['If-Modified-Since'] = known.modified;
    return headers;
  }

  private remember(path: string, { headers }: Got): void {
    const { etag, 'last-modified': modified } = headers;
    if (etag !== undefined && modified !== undefined) this.etags.set(path, { etag, modified });
  }

  private bodyOf({ response }: Exchange, got: Got): object {
    const text = got.bytes.toString('utf8');
    if (response?.body_text !== undefined) {
      this.names.tieAll(response.body_text, text, UUIDS);
      return { text: this.names.recorded(text) };
    }
    if (response?.body === undefined) return {};
    const recorded = writeJson(response.body);
    const actual = parseJson(text);
    if (
      isObject(actual) &&
      isObject(response.body) &&
      typeof response.body.prompt_id === 'string' &&
      typeof actual.prompt_id === 'string'
    ) {
      this.names.tie(response.body.prompt_id, actual.prompt_id);
    }
    this.names.tieAll(recorded, writeJson(actual), FILES);
    return { body: normalised(actual, this.names.recorded) };
  }

  private expectedBody({ response }: Exchange): object {
    if (response?.body_text !== undefined) return { text: response.body_text };
    return response?.body === undefined ? {} : { body: normalised(response.body) };
  }

  private headersGot({ headers }: Got): Record<string, string> {
    const shown = COMPARED_HEADERS.flatMap((name) => {
      const value = headers[name];
      const isUsual = (name === 'connection' && value === 'keep-alive') || value === 'application/json; charset=utf-8';
      return value === undefined || isUsual ? [] : [[name, this.names.recorded(value)] as const];
    });
    return { ...Object.fromEntries(shown), ...(headers.etag === undefined ? {} : { etag: shapeOf(headers.etag) }) };
  }

  private headersExpected({ response }: Exchange): Record<string, string> {
    const lower = Object.entries(response?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
    const shown = lower.filter(([name]) => COMPARED_HEADERS.includes(name));
    const etag = lower.find(([name]) => name === 'etag')?.[1];
    return { ...Object.fromEntries(shown), ...(etag === undefined ? {} : { etag: shapeOf(etag) }) };
  }
}

function cachedNodes(entry: JsonObject): string[] {
  const messages = (entry.status as JsonObject).messages as [string, JsonObject][];
  return (messages.find(([event]) => event === 'execution_cached')?.[1].nodes ?? []) as string[];
}

function byNumber([a]: Json[], [b]: Json[]): number {
  return Number(a) - Number(b);
}

/** The ETag without the time and size of the file, which are hexadecimal. */
function shapeOf(etag: string): string {
  return etag.replace(/[0-9a-f]+/g, 'hex');
}
