import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPrinter } from '../local/printer.mjs';
import { Problem } from '../local/problem.mjs';
import { listenForStop } from '../local/stop-signals.mjs';
import { createApi } from './api.mjs';
import { provideBaseImages } from './base-images.mjs';
import { createChecks } from './checks.mjs';
import { findEngine, requireVersion } from './engine.mjs';
import { copyProject, createKey } from './project.mjs';
import { createStack } from './stack.mjs';
import { publishedPorts, readOnlyRoots, users } from './trials/hardening.mjs';
import { allInOne, buildImage, simulatorWithoutVolume } from './trials/images.mjs';
import { generate, img2img, nothingLeftOver, RECEIVER, startReceiver, webhook } from './trials/jobs.mjs';
import { doctor, onlyWithKey } from './trials/keys.mjs';
import { downAndUp, restart, sigkill, stop } from './trials/outages.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Kept between runs, so that builds are reused. */
const DATA = join(ROOT, '.data/containers');
/** The limit in seconds on an idle machine; longer in proportion to the load. */
const HEALTHY_WITHIN = 30;

/**
 * Checks in containers what docs/deploy.md promises, and ends everything that it started.
 * @returns {Promise<number>} the exit code
 */
export async function runChecks() {
  const print = createPrinter();
  const stopping = listenForStop();
  const signal = stopping.asked;
  const busy = (loadavg()[0] ?? 0) / availableParallelism();
  const checks = createChecks({ ...print, signal });
  /** @type {(() => Promise<unknown>)[]} */
  const ends = [];

  try {
    const engine = await findEngine({ dataFolder: join(DATA, 'engine'), say: print.say, signal });
    ends.push(engine.stop);
    print.say(await requireVersion(engine));
    const base = await provideBaseImages(engine, { root: ROOT, say: print.say, signal });
    print.say(`Base images: ${base.names}`);
    await copyProject(ROOT, join(DATA, 'project'), { withDigests: !base.areStandIns });
    const stack = createStack(engine, join(DATA, 'project'), signal);
    ends.push(stack.down);
    await stack.down(); // removes what a killed run left
    await runAll(checks, stack, ends, busy);
  } catch (error) {
    if (!signal.aborted) {
      if (!(error instanceof Problem)) throw error;
      print.problem([error.message, ...error.details].join('\n'));
    }
    return 1;
  } finally {
    for (const end of ends.reverse()) await end().catch((error) => print.problem(`${error}`));
    print.say(['', ...checks.table()].join('\n'));
  }
  return checks.failed === 0 ? 0 : 1;
}

/**
 * @param {ReturnType<typeof createChecks>} checks
 * @param {import('./stack.mjs').Stack} stack
 * @param {(() => Promise<unknown>)[]} ends
 * @param {number} busy the load per core at the start
 */
async function runAll({ check }, stack, ends, busy) {
  const anonymous = createApi(stack.url);
  let seconds = 0;
  const up = async () => {
    seconds = await stack.up();
    return `after ${seconds.toFixed(1)} s`;
  };
  const quickEnough = async () => {
    const most = HEALTHY_WITHIN * Math.max(1, busy);
    const found = `${seconds.toFixed(1)} s, with a load of ${busy.toFixed(1)} per core at the start`;
    if (seconds > most) throw new Problem(`${found}, which is more than ${most.toFixed()} s`);
    return found;
  };

  if (!(await check('the image of all services is built', () => buildImage(stack)))) return;
  await check('a simulator without a volume reports what it needs', () => simulatorWithoutVolume(stack));

  stack.set({ ALLOW_ANONYMOUS: '1', WEBHOOK_ALLOW: RECEIVER });
  if (!(await check('all services become healthy', up))) return;
  await check(`they become healthy within ${HEALTHY_WITHIN} s`, quickEnough);
  ends.push(await startReceiver(stack));
  await check('no process runs as root', () => users(stack));
  await check('root file systems are read-only', () => readOnlyRoots(stack));
  await check('only the API is published, and only to this machine', () => publishedPorts(stack));
  await check('generate', () => generate(anonymous));
  await check('img2img', () => img2img(anonymous));
  await check('a webhook arrives', () => webhook(stack, anonymous, { signed: false }));
  await check('jobs survive a restart', () => restart(stack, anonymous));
  await check('jobs survive SIGKILL of every service', () => sigkill(stack, anonymous));
  await ends.pop()?.();
  await check('jobs and pictures survive down and up', () => downAndUp(stack, anonymous));
  await check('ComfyUI’s folders are cleaned', () => nothingLeftOver(stack));
  await check('one container runs the whole fleet', () => allInOne(stack));
  await check('services exit cleanly on stop', () => stop(stack));

  const file = join(stack.secrets, 'keys.json');
  const key = await createKey(ROOT, file, 'me');
  stack.set({ ALLOW_ANONYMOUS: undefined, API_KEYS_FILE: '.data/secrets/keys.json' });
  if (!(await check('all services become healthy with keys from a file', up))) return;
  ends.push(await startReceiver(stack));
  const api = createApi(stack.url, key);
  await check('API keys from a file', () => onlyWithKey(anonymous, api));
  await check('a signed webhook arrives', () => webhook(stack, api, { signed: true }));
  await check('the doctor finds no problem', () => doctor(stack));
}
