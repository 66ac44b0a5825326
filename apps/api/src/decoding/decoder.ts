import { Worker } from 'node:worker_threads';
import type { FramesSettings } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { openFrameStores } from '@comfy-fleet/frames';
import type { Order, Outcome } from './children.js';
import { createTasks, type Decoder } from './tasks.js';

/** A process that decodes what callers sent, one task at a time. Its first message has the settings of the stores. */
let tasks: Promise<Decoder> | undefined;

process.on('message', (message: FramesSettings | Order) => {
  if ('store' in message) {
    // It only reads, so it needs no name of its own.
    tasks = openFrameStores(message, { owner: 'decoder' }).then(createTasks);
    return;
  }
  void answerTo(message).then((answer) => process.send?.({ ...answer, bytes: process.memoryUsage.rss() }));
});

/** Ends the process when the API is gone or too much memory is taken. A thread, because a decoder may block this one. */
const WATCHDOG = `
const { parent, maxBytes } = require('node:worker_threads').workerData;
setInterval(() => {
  if (process.ppid !== parent || process.memoryUsage.rss() > maxBytes) process.kill(process.pid, 'SIGKILL');
}, 20);
`;
const [parent, maxBytes] = process.argv.slice(2).map(Number);
new Worker(WATCHDOG, { eval: true, workerData: { parent, maxBytes } });

async function answerTo({ task, args }: Order): Promise<Outcome> {
  try {
    const run = (await tasks)?.[task] as ((...args: readonly unknown[]) => Promise<unknown>) | undefined;
    return { result: await run?.(...args) };
  } catch (error) {
    if (!(error instanceof FleetError)) return { message: error instanceof Error ? error.message : String(error) };
    const { code, detail, errors } = error;
    return { fault: { code, detail, errors: [...errors] } };
  }
}
