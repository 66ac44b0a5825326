import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

type Where = 'pending' | 'running' | 'succeeded' | 'failed' | 'interrupted' | 'absent' | 'away';

/** A ComfyUI with one prompt in a state that the test sets; it has no socket, so everything goes over HTTP. */
export interface ScriptedComfy {
  readonly url: string;
  where: Where;
  /** How often it was asked to take the prompt out of its queue, and to interrupt it. */
  readonly deletes: number;
  readonly interrupts: number;
  /** How often it was asked for the state of the prompt. */
  readonly looks: number;
  /** How often it was given a prompt. */
  readonly submits: number;
}

interface Script {
  /** The execution time in its history; by default the history has none. */
  readonly tookMs?: number;
  /** What it does then; by default what it was asked to do. */
  readonly onDelete?: (comfy: ScriptedComfy) => void;
  readonly onInterrupt?: (comfy: ScriptedComfy) => void;
  /** `cut`: its answer is lost; `refused`: it rejects the prompt. */
  readonly onSubmit?: (comfy: ScriptedComfy) => Promise<'cut' | 'refused' | undefined>;
  /** Runs before it answers with the state of the prompt. */
  readonly onLook?: (comfy: ScriptedComfy) => void;
}

/** Starts one on a free port, until the test is done. It treats any prompt id that it is asked for as its own. */
export async function scriptedComfy(where: Where, promptId: () => string, script: Script = {}): Promise<ScriptedComfy> {
  const counts = { deletes: 0, interrupts: 0, looks: 0, submits: 0 };
  const comfy = {
    url: '',
    where,
    get deletes() {
      return counts.deletes;
    },
    get interrupts() {
      return counts.interrupts;
    },
    get looks() {
      return counts.looks;
    },
    get submits() {
      return counts.submits;
    },
  };
  const listOf = (state: Where) => (comfy.where === state ? [[0, promptId(), {}, {}, []]] : []);
  const history = () => {
    const outcome = { succeeded: 'execution_success', failed: 'execution_error', interrupted: 'execution_interrupted' };
    const { where: at } = comfy;
    if (at !== 'succeeded' && at !== 'failed' && at !== 'interrupted') return {};
    const startedAt = script.tookMs === undefined ? undefined : 1_760_000_000_000;
    const messages = [
      ['execution_start', { timestamp: startedAt }],
      [outcome[at], { timestamp: startedAt && startedAt + (script.tookMs ?? 0) }],
    ];
    const status = { status_str: at === 'succeeded' ? 'success' : 'error', messages };
    return { [promptId()]: { prompt: [0, promptId(), {}, {}, []], outputs: {}, status } };
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const { method, url = '' } = request;
      if (url.startsWith('/ws')) return response.writeHead(404).end();
      const asked = `${method} ${url.split('/')[1]}`;
      if (asked === 'GET queue') {
        counts.looks += 1;
        script.onLook?.(comfy);
      }
      if (comfy.where === 'away') return request.socket.destroy();
      if (asked === 'GET queue')
        return response.end(JSON.stringify({ queue_running: listOf('running'), queue_pending: listOf('pending') }));
      if (asked === 'GET history') return response.end(JSON.stringify(history()));
      if (asked === 'POST prompt') {
        counts.submits += 1;
        const outcome = await script.onSubmit?.(comfy);
        if (outcome === 'cut') return request.socket.destroy();
        if (outcome === 'refused') return response.writeHead(400).end('{}');
        comfy.where = 'pending';
        const { prompt_id } = JSON.parse(Buffer.concat(chunks).toString()) as { prompt_id: string };
        return response.end(JSON.stringify({ prompt_id, number: 1, node_errors: {} }));
      }
      if (asked === 'POST queue') {
        counts.deletes += 1;
        if (script.onDelete !== undefined) script.onDelete(comfy);
        else if (comfy.where === 'pending') comfy.where = 'absent';
      }
      if (asked === 'POST interrupt') {
        counts.interrupts += 1;
        if (script.onInterrupt !== undefined) script.onInterrupt(comfy);
        else if (comfy.where === 'running') comfy.where = 'interrupted';
      }
      return response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  comfy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return comfy;
}
