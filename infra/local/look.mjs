import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/**
 * What a request for a picture has to name so that an instance can run it: nothing, or a checkpoint. Null: none can run it;
 * undefined: that is not known.
 * @typedef {{ checkpoint: string | null } | null | undefined} Needs
 * @typedef {{ lines: readonly string[], silent: number, needs: Needs }} Looked `silent`: how many instances do not answer
 */

/**
 * Asks each ComfyUI of the settings what it is, and says it in a line each: what answers nothing, is no ComfyUI or lacks a
 * model is named at once. The command line does the asking, in a process of its own: it is built by now, and this runner
 * is not. Where that fails, the services will say why. What was `said` before is not said again.
 * @param {{ installation: import('./installation.mjs').Installation, env: NodeJS.ProcessEnv, print: import('./printer.mjs').Printer, signal: AbortSignal }} context
 * @param {readonly string[]} [said]
 * @returns {Promise<Looked>}
 */
export async function lookAtInstances({ installation, env, print, signal }, said = []) {
  const child = spawn(process.execPath, [installation.program('cli'), 'instances', '--json'], {
    cwd: installation.folder,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    signal,
  });
  child.on('error', () => undefined); // the stop that was asked for
  try {
    const { instances, text2img } = JSON.parse(await text(child.stdout));
    const lines = instances.map((/** @type {{ text: string }} */ one) => one.text);
    for (const line of lines) if (!said.includes(line)) print.line('comfyui', line);
    const silent = instances.filter((/** @type {{ answers: boolean }} */ { answers }) => !answers).length;
    return { lines, silent, needs: text2img };
  } catch {
    return { lines: [], silent: 0, needs: undefined };
  }
}
