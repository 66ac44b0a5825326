import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { until } from '@comfy-fleet/testing';

const TIMEOUT_MS = 10_000;

/** Bytes that Redis has in use, when it is not just rewriting its file. */
export async function redisMemory(url: string): Promise<number> {
  const rewriting = async () => (await info(url, 'persistence')).includes('aof_rewrite_in_progress:1');
  await until('the file is rewritten', async () => !(await rewriting()), { withinMs: 60_000, everyMs: 100 });
  return usedMemoryIn(await info(url, 'memory'));
}

async function info(url: string, section: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), signal: AbortSignal.timeout(TIMEOUT_MS) });
  socket.write(`INFO ${section}\r\nQUIT\r\n`);
  return text(socket);
}

/** used_memory in what INFO says, in bytes. */
export function usedMemoryIn(info: string): number {
  const found = /^used_memory:(\d+)\r?$/m.exec(info);
  if (found === null) throw new Error('INFO does not say used_memory');
  return Number(found[1]);
}
