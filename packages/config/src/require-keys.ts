import { ConfigError } from './config-error.js';

interface Place {
  readonly host: string;
  readonly keysFile: string | undefined;
  readonly allowAnonymous: boolean;
}

/** Throws a ConfigError when others than this machine could reach an API that asks nobody who they are. */
export function requireKeys({ host, keysFile, allowAnonymous }: Place): void {
  if (keysFile !== undefined || allowAnonymous || isLoopback(host)) return;
  throw new ConfigError([
    `HOST=${host}: anybody who reaches this address could use the API, since there are no API keys. Make some with ` +
      '`npm run keys -- create <id> --file keys.json` and set API_KEYS_FILE=keys.json; or set ALLOW_ANONYMOUS=1 if ' +
      'something else keeps strangers out',
  ]);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
