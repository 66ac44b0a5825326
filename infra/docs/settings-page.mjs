/**
 * @typedef {{
 *   description: string, default?: string | number, minimum?: number, maximum?: number, enum?: string[], writeOnly?: boolean
 * }} Setting
 * @typedef {{ properties: Record<string, Setting> }} Schema
 */

/**
 * The headings of the page in order, and which settings stand beneath each.
 * @type {readonly (readonly [string, RegExp])[]}
 */
const TOPICS = [
  [
    'API',
    /^(PORT|HOST|PUBLIC_URL|API_.*|ALLOW_ANONYMOUS|ALLOWED_NODES_FILE|CORS_ORIGINS|IMAGES|SIGNED_URL_.*|STUDIO|UNREADY_.*)$/,
  ],
  ['APIs of others', /^(COMFYUI_(API|PORT)$|COMFY_V2_|OPENAI_)/],
  ['Redis', /^(REDIS_|KEY_PREFIX$)/],
  ['ComfyUI instances', /^(COMFYUI_(?!RESTART|API$|PORT$)|WARM_UP_)/],
  ['Broken instances', /^(COMFYUI_RESTART|RESTART|INTERRUPT_)/],
  ['Workers', /^(WORKER_|DRAIN_)/],
  ['Workflows', /^(WORKFLOWS?_|CHECKPOINT$)/],
  ['Storage', /^(FRAMES_(STORE|DIR)$|S3_)/],
  ['Retention', /^(FRAMES_MAX_|ASSET_TTL_|MIN_FREE_|HOUSEKEEPING_|JOB_TTL_|KEY_JOBS_KEPT$|KEPT_WORK_ITEMS$)/],
  ['Request limits', /^(MAX_(?!OPEN_|QUEUED_)|IMAGE_)/],
  ['Limits of an API key', /^KEY_(?!PREFIX$|JOBS_KEPT$)/],
  ['Queue', /^(MAX_(OPEN|QUEUED)_|LOCK_|MODEL_)/],
  ['Webhooks', /^(WEBHOOK_|DISPATCHER_)/],
  ['Logs and traces', /^(LOG_|OTEL_)/],
];

const INTRODUCTION = `# Settings

<!-- Made by \`npm run docs:settings\` from packages/config/src. Change it there, and the words around it in
infra/docs/settings-page.mjs. -->

Every process reads its settings from the environment and from a \`.env\` file in the working folder (see
\`.env.example\`); the environment takes precedence. Settings are read only at the start, so restart a process to change
them. If a value is invalid, the process does not start and lists all errors. A variable that is named almost like a
setting is reported in the log. \`npm run doctor\` checks your settings.

Secrets can come from files: instead of \`REDIS_URL\`, \`REDIS_SENTINEL_PASSWORD\` and \`WEBHOOK_SECRETS\` set
\`REDIS_URL_FILE\`, \`REDIS_SENTINEL_PASSWORD_FILE\` and \`WEBHOOK_SECRETS_FILE\` to the path of a file with the secret.
Surrounding white space is ignored. A process does not start if both are set, or if the file is missing or empty.
Secrets are never printed.
`;

const SIMULATOR = `## Simulator

\`npm start\` runs the simulator (\`apps/simulator\`) when neither \`COMFYUI_URLS\` nor \`COMFYUI_INSTANCES_FILE\` is set. It
also reads \`LOG_LEVEL\` and \`LOG_FORMAT\`.
`;

/**
 * The page docs/settings.md: every setting of the services, by topic, and those of the simulator. Throws when one does not
 * belong to exactly one topic.
 *
 * @param {{ settings: object, simulator: object }} schemas as JSON Schema
 */
export function settingsPage(schemas) {
  /** @type {{ settings: Schema, simulator: Schema }} */
  const { settings, simulator } = JSON.parse(JSON.stringify(schemas));
  const entries = Object.entries(settings.properties).map((each) => ({ topic: topicOf(each[0]), text: entry(each) }));
  const parts = TOPICS.map(([title]) => {
    const own = entries.filter(({ topic }) => topic === title);
    return `## ${title}\n\n${own.map(({ text }) => text).join('\n')}\n`;
  });
  // The log is set by the same variables as the services'.
  const own = Object.entries(simulator.properties).filter(([name]) => !name.startsWith('LOG_'));
  return [INTRODUCTION, ...parts, `${SIMULATOR}\n${own.map(entry).join('\n')}\n`].join('\n');
}

/** @param {string} name */
function topicOf(name) {
  const [topic, another] = TOPICS.filter(([, names]) => names.test(name)).map(([title]) => title);
  if (topic !== undefined && another === undefined) return topic;
  const found = topic === undefined ? 'no topic' : `two, ${topic} and ${another}`;
  throw new Error(`${name} wants one topic and has ${found}: see infra/docs/settings-page.mjs`);
}

/** @param {[string, Setting]} setting */
function entry([name, setting]) {
  const value = setting.default === undefined ? 'not set' : `\`${setting.default}\``;
  return wrapped(`- **\`${name}\`** (${[value, ...bounds(setting)].join('; ')}): ${setting.description}`, '  ');
}

/** @param {Setting} setting */
function bounds({ minimum, maximum }) {
  if (minimum !== undefined && maximum !== undefined) return [`${minimum} to ${maximum}`];
  // That a number of things is at least one needs no words.
  return minimum === undefined || minimum <= 1 ? [] : [`at least ${minimum}`];
}

const COLUMNS = 120;

/**
 * @param {string} text
 * @param {string} indent
 */
function wrapped(text, indent) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= COLUMNS) lines[lines.length - 1] = longer;
    else lines.push(indent + word);
  }
  return lines.join('\n');
}
