/**
 * Runs a command as one step of a start: shows that it goes on, and at the end how long it took. What the command prints
 * is shown only if it fails.
 * @param {{ run: import('./stack.mjs').Stack['run'], print: import('./printer.mjs').Printer }} means
 * @param {{ title: string, name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv }} step
 */
export async function runStep({ run, print }, { title, name, command, args, env }) {
  const began = performance.now();
  /** @type {string[]} */
  const printed = [];
  const show = () => {
    const last = printed.findLast((line) => line.startsWith('Progress: '));
    const detail = last === undefined ? '' : `: ${last.slice('Progress: '.length)}`;
    print.progress(`${title}${detail} (${Math.round((performance.now() - began) / 1000)} s)`);
  };
  show();
  const ticking = setInterval(show, 1000);
  try {
    await run(name, command, args, env, (line) => printed.push(line));
  } catch (error) {
    for (const line of printed) print.line(name, line);
    throw error;
  } finally {
    clearInterval(ticking);
  }
  print.say(`${title}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
