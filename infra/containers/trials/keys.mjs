import { Problem } from '../../local/problem.mjs';

/**
 * @param {import('../api.mjs').Api} anonymous
 * @param {import('../api.mjs').Api} api has a key
 * @returns {Promise<string>}
 */
export async function onlyWithKey(anonymous, api) {
  const refused = await anonymous.call('/jobs');
  if (refused.status !== 401) throw new Problem(`without a key: ${refused.status}`);
  await api.succeeded((await api.order('/generate', { prompt: 'a key', lod: 'sketch' })).id);
  return '401 without the key, a picture with it';
}

/**
 * @param {import('../stack.mjs').Stack} stack
 * @returns {Promise<string>}
 */
export async function doctor(stack) {
  const args = ['run', '--rm', '--no-TTY', 'doctor', 'doctor', '--json'];
  const { code, stdout, output } = await stack.tryCompose('--profile', 'doctor', ...args);
  if (!stdout.startsWith('{')) throw new Problem(output.trim());
  /** @type {{ findings: { check: string, level: string, found: string, mend?: string }[] }} */
  const { findings } = JSON.parse(stdout);
  const bad = findings.filter(({ level }) => level !== 'ok');
  if (code !== 0 || bad.length > 0) {
    throw new Problem(
      `exit code ${code}`,
      bad.map(({ check, level, found, mend }) => `${level} ${check}: ${found}; ${mend}`),
    );
  }
  return `${findings.length} findings, all ok`;
}
