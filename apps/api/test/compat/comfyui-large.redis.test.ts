import { expect, it } from 'vitest';
import { finishJob } from '../finished-image.js';
import { drawing } from '../runnable.js';
import { type ComfyuiClient, openComfyui } from './comfyui-api.js';

const MIB = 1024 * 1024;

/** Nearly a mebibyte of extra data, as the editor sends for a workflow that embeds a picture. */
const large = () => ({ extra_data: { extra_pnginfo: { workflow: { id: 'w', note: 'x'.repeat(MIB - 1000) } } } });

/** Sends large prompts until one is refused; returns the ids of the accepted ones and the refusal. */
async function untilRefused(client: ComfyuiClient, most = 20): Promise<{ ids: string[]; refusal: Response }> {
  const ids: string[] = [];
  for (let n = 0; n < most; n += 1) {
    const answer = await client.post('/prompt', { prompt: drawing(), ...large() });
    if (answer.status !== 200) return { ids, refusal: answer };
    ids.push(((await answer.json()) as { prompt_id: string }).prompt_id);
  }
  throw new Error(`all ${most} large prompts were accepted`);
}

it('refuses large prompts when the jobs of the key exceed KEY_JOB_BYTES, and accepts those of another key', async () => {
  const { api, anna, bert } = await openComfyui({ KEY_JOB_BYTES: `${16 * MIB}` });
  const { ids, refusal } = await untilRefused(anna);
  expect(ids.length).toBeGreaterThan(10);
  expect(refusal.status).toBe(429);
  expect(JSON.stringify(await refusal.json())).toContain(`may hold ${16 * MIB} bytes`);
  await bert.prompt(drawing(), large());
  await api.ledger.jobs.cancel(ids[0] ?? '');
  await api.ledger.jobs.forget(ids[0] ?? '');
  await anna.prompt(drawing(), large());
});

it('lists the newest large prompts that fit into a response, and all waiting ones, while it serves another key', async () => {
  const { api, anna, bert } = await openComfyui({ KEY_JOB_BYTES: `${32 * MIB}` });
  const ended: string[] = [];
  for (let n = 0; n < 12; n += 1) {
    const { prompt_id } = await anna.prompt(drawing(), large());
    await finishJob(api, prompt_id);
    ended.push(prompt_id);
  }
  const waiting: string[] = [];
  for (let n = 0; n < 12; n += 1) waiting.push((await anna.prompt(drawing(), large())).prompt_id);

  const polls = [anna, anna, anna, anna].map(async (client, n) => {
    const history = Object.keys(await client.get(`/history?max_items=${100 + n}`));
    const { queue_pending: queue } = await client.get('/queue');
    return { history, queue: queue as unknown as [number, string, object][] };
  });
  const others = await Promise.all(Array.from({ length: 10 }, () => fetch(`${bert.base}/queue`)));
  expect(others.map(({ status }) => status)).toEqual(Array(10).fill(200));
  for (const { history, queue } of await Promise.all(polls)) {
    expect(history).toEqual(ended.slice(-7));
    expect(queue.map(([, id]) => id)).toEqual(waiting);
    expect(queue.map(([, , graph]) => Object.keys(graph).length > 0)).toEqual(waiting.map((_, n) => n < 8));
  }
  const page = await (await api.get('/jobs?limit=100', { headers: { 'X-Api-Key': 'anna' } })).json();
  expect(page).toMatchObject({ data: [{ status: 'queued' }], has_more: true });
});
