/** The default address of the CLI. */
const CLI_DEFAULT = 'http://127.0.0.1:3000';

/**
 * The message after a start, with commands that can be pasted into a shell.
 * @param {{
 *   installation: import('./installation.mjs').Installation, url: string, simulated: boolean, studio: boolean, keys: boolean,
 *   needs: import('./services.mjs').Needs, seconds: number,
 * }} facts `keys`: whether callers need an API key
 * @returns {string}
 */
export function welcome({ installation, url, simulated, studio, keys, needs, seconds }) {
  const checkpoint = needs?.checkpoint ? { checkpoint: needs.checkpoint } : {};
  const body = JSON.stringify({ prompt: 'a lighthouse in a storm, oil painting', lod: 'sketch', ...checkpoint });
  const key = keys ? ' -H "authorization: Bearer $COMFY_FLEET_KEY"' : '';
  const ask = `curl -s ${url}/generate${key} -H 'content-type: application/json' -H 'prefer: wait=60' -d '${body.replaceAll("'", "'\\''")}'`;
  const options = [
    ...(needs?.checkpoint ? [`--checkpoint ${JSON.stringify(needs.checkpoint)}`] : []),
    ...(url === CLI_DEFAULT ? [] : [`--url ${url}`]),
  ];
  const lines = [
    '',
    `comfy-fleet is ready after ${seconds.toFixed(1)} s:  ${url}`,
    ...(studio ? [`Make and look at pictures in a browser:  ${url}/studio`] : []),
    '',
    ...(keys ? ['These commands need one of your API keys in COMFY_FLEET_KEY.'] : []),
    needs === null
      ? 'No instance can run text2img now: see above what each lacks. Then ask for a picture, and wait for the answer:'
      : 'Ask for a picture, and wait for the answer:',
    `  ${ask}`,
    'See it (the "image_url" of that answer, or all in one line):',
    `  curl -so picture.png "${url}$(${ask} | grep -o '/images/[^"]*' | head -1)"`,
    'Or from the command line, in another terminal:',
    `  ${installation.cliCommand} ${['generate "a lighthouse in a storm" --lod sketch -o lighthouse.png', ...options].join(' ')}`,
    ...(simulated
      ? [
          '',
          'COMFYUI_URLS is not set: a simulator draws these pictures, no GPU and no model does.',
          `With real GPUs:  COMFYUI_URLS=http://127.0.0.1:8188 ${installation.startCommand}   (several: separated by commas)`,
        ]
      : []),
    '',
    `Ctrl-C stops everything. The next ${installation.startCommand} goes on with the same jobs and pictures.`,
    '',
  ];
  return lines.join('\n');
}
