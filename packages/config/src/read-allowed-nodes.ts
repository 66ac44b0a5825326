import { readFileSync } from 'node:fs';
import { type AllowedNodes, allowedNodesSchema } from '@comfy-fleet/contracts';
import { Ajv } from 'ajv';
import type { Config } from './config.js';
import { ConfigError } from './environment.js';
import { faultRule } from './fault-rule.js';

/**
 * The content of ALLOWED_NODES_FILE, or nothing if it is not set. Throws a ConfigError with every error of the file.
 */
export function readAllowedNodes({ access: { allowedNodesFile: path } }: Pick<Config, 'access'>): AllowedNodes {
  if (path === undefined) return {};
  const fault = (what: string) => `ALLOWED_NODES_FILE=${path}: ${what}`;
  const value = parse(path, fault);
  const validate = new Ajv({ allErrors: true, strict: false, validateSchema: false }).compile<AllowedNodes>(
    allowedNodesSchema,
  );
  if (validate(value)) return value;
  throw new ConfigError(
    (validate.errors ?? []).map((error) => {
      const { instancePath, params } = error;
      const field = [...instancePath.split('/').slice(1), params.additionalProperty ?? []].flat().join('.');
      return fault(`${field === '' ? 'the file' : field} ${faultRule(error, field, {})}`);
    }),
  );
}

function parse(path: string, fault: (what: string) => string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      fault(error instanceof SyntaxError ? `is not valid JSON (${message})` : `cannot be read (${code})`),
    ]);
  }
}
