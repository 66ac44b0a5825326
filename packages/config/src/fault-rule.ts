import type { ErrorObject } from 'ajv';

const TYPES: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a string',
  array: 'a list',
  object: 'an object',
};

/**
 * Describes the error so that "<field> <rule>" is a sentence; `forms` describes fields with a pattern. Shows no value,
 * because it may be a secret.
 */
export function faultRule(
  { keyword, params, message }: ErrorObject,
  field: string,
  forms: Readonly<Record<string, string>>,
): string {
  switch (keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return 'is not a known field';
    case 'type':
      return `must be ${TYPES[params.type] ?? params.type}`;
    case 'enum':
      return `may only have ${params.allowedValues.join(', ')}`;
    case 'minimum':
      return `must be ${params.limit} or more`;
    case 'maximum':
      return `must be ${params.limit} or less`;
    case 'minLength':
    case 'minItems':
      return 'must not be empty';
    case 'maxLength':
      return `must have at most ${params.limit} characters`;
    case 'maxItems':
      return `must have at most ${params.limit}`;
    case 'uniqueItems':
      return 'has something twice';
    case 'not':
      return 'must not be the name of callers without a key';
    case 'pattern':
      return forms[field] ?? 'does not have the form it needs';
    default:
      return message ?? 'is not valid';
  }
}
