import { pipeline } from 'node:stream/promises';
import { Worker } from 'node:worker_threads';
import type { FramesSettings } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { type FrameStores, openFrameStores, rewriteMedia } from '@comfy-fleet/frames';
import type { Order, Outcome } from './children.js';
import { mediaIn } from './measure.js';
import type { Rewriting } from './rewriter.js';
import { createTasks } from './tasks.js';

/** A process that decodes what callers sent, one task at a time. Its first message has the settings of the stores. */
let opened: Promise<FrameStores> | undefined;

process.on('message', (message: FramesSettings | Order | Rewriting) => {
  // It only reads, so it needs no name of its own.
  if ('store' in message) opened = openFrameStores(message, { owner: 'decoder' });
  else if ('container' in message) {
    rewrite(message).then(
      () => process.exit(),
      () => process.exit(1),
    );
  } else void answerTo(message).then((answer) => process.send?.({ ...answer, bytes: process.memoryUsage.rss() }));
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

async function rewrite({ file, container }: Rewriting): Promise<void> {
  const { inputs } = await stores();
  await pipeline(rewriteMedia(mediaIn(inputs, file), container), process.stdout);
}

async function stores(): Promise<FrameStores> {
  if (opened === undefined) throw new Error('the settings of the stores must come first');
  return opened;
}

async function answerTo({ task, args }: Order): Promise<Outcome> {
  try {
    const run = createTasks(await stores())[task] as (...args: readonly unknown[]) => Promise<unknown>;
    return { result: await run(...args) };
  } catch (error) {
    if (!(error instanceof FleetError)) return { message: error instanceof Error ? error.message : String(error) };
    const { code, detail, errors } = error;
    return { fault: { code, detail, errors: [...errors] } };
  }
}
