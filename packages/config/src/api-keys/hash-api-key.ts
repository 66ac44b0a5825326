import { hash } from 'node:crypto';

/**
 * The SHA-256 of a key, as the keys file has it: 64 hexadecimal digits. A slow password hash would gain nothing, since a
 * key is 32 random bytes and cannot be guessed, and would cost every request its time.
 */
export function hashApiKey(key: string): string {
  return hash('sha256', key);
}
