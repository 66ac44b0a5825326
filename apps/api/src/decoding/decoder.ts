import type { FramesSettings } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { openFrameStores } from '@comfy-fleet/frames';
import type { Answer, Order } from './children.js';
import { createTasks, type Decoder } from './tasks.js';

/** A process that decodes what callers sent, one task at a time. Its first message has the settings of the stores. */
let tasks: Promise<Decoder> | undefined;

process.on('message', (message: FramesSettings | Order) => {
  if ('store' in message) {
    // It only reads, so it needs no name of its own.
    tasks = openFrameStores(message, { owner: 'decoder' }).then(createTasks);
    return;
  }
  void answerTo(message).then((answer) => process.send?.(answer));
});
// An orderly exit would wait for threads that decode.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

async function answerTo({ task, args }: Order): Promise<Answer> {
  try {
    const run = (await tasks)?.[task] as ((...args: readonly unknown[]) => Promise<unknown>) | undefined;
    return { result: await run?.(...args) };
  } catch (error) {
    if (!(error instanceof FleetError)) return { message: error instanceof Error ? error.message : String(error) };
    const { code, detail, errors } = error;
    return { fault: { code, detail, errors: [...errors] } };
  }
}
