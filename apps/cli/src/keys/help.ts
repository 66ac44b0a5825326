import { KEY_OPTIONS, SECRET_OPTION } from './key-options.js';

const COLUMN = 29;
const line = (left: string, right: string) => `  ${left.padEnd(COLUMN)}${right}`;

/** What the command can do, for `--help`. */
export const helpText = (): string => `The keys with which callers use the API.

npm run keys -- create <id> [options]   makes a key and shows it, once
npm run keys -- list                    shows the keys that there are
npm run keys -- revoke <id>             takes a key away

${line('--file PATH', 'the file of the keys; API_KEYS_FILE (in .env too) unless said')}

Options of create; a limit that is not said is that of the setting KEY_…:
${KEY_OPTIONS.map(({ option, value, help }) => line(`--${option} ${value}`, help)).join('\n')}
${line(`--${SECRET_OPTION} new`, "makes a secret that signs the key's webhooks and shows it, once")}

create <id> --${SECRET_OPTION} new, for a key that there is, gives it a second secret: both sign until the next
one takes the place of the older. The key itself and a secret are written to stdout, everything else to stderr.
`;
