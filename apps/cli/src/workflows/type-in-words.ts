import { listed, showJson } from '@comfy-fleet/workflows';

const FILES: Readonly<Record<string, string>> = {
  'image/*': 'a picture',
  'video/*': 'a video',
  'audio/*': 'an audio file',
  'application/octet-stream': 'a file',
};
const LONGEST_DEFAULT = 60;

/** The type of an input: "whole number 1 to 10000, 20 by default". */
export function typeInWords(schema: Readonly<Record<string, unknown>>): string {
  const { type, contentMediaType, enum: options, minimum, maximum, default: preset } = schema;
  if (Array.isArray(type)) return 'seed, 0 to 2^64−1, drawn when it is left out';
  const file = FILES[String(contentMediaType)];
  if (file !== undefined) return file;
  const range = [
    ...(minimum === undefined ? [] : [`from ${minimum}`]),
    ...(maximum === undefined ? [] : [`up to ${maximum}`]),
  ];
  const what = Array.isArray(options)
    ? `one of ${listed(options.map(String))}`
    : [plainType(type, schema), ...range].join(' ');
  return preset === undefined ? what : `${what}; ${shortened(showJson(preset))} by default`;
}

function plainType(type: unknown, schema: Readonly<Record<string, unknown>>): string {
  if (type === 'integer') return 'whole number';
  if (type === 'number') return 'number';
  if (type === 'boolean') return 'true or false';
  return schema['x-multiline'] === true ? 'text of several lines' : 'text';
}

function shortened(text: string): string {
  return text.length > LONGEST_DEFAULT ? `${text.slice(0, LONGEST_DEFAULT)}…` : text;
}
