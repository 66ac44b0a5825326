import { pythonRepr, pythonStr, pythonTypeName } from './python-text.js';
import { Float, isTruthy, type Json } from './values.js';

/** What Python's int(), float() raise; the text is part of ComfyUI's answers. */
export class ConversionError extends Error {}

/** Python's int(value): text is read, floats are cut, true is 1. */
function toInt(value: Json): number | bigint {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Float) {
    if (Number.isNaN(value.value)) throw new ConversionError('cannot convert float NaN to integer');
    if (!Number.isFinite(value.value)) throw new ConversionError('cannot convert float infinity to integer');
    return exact(Math.trunc(value.value));
  }
  if (typeof value === 'string') {
    const text = value.trim();
    if (/^[+-]?\d+(_\d+)*$/.test(text)) return exact(BigInt(text.replace(/_/g, '').replace(/^\+/, '')));
    throw new ConversionError(`invalid literal for int() with base 10: ${pythonRepr(value)}`);
  }
  throw new ConversionError(
    `int() argument must be a string, a bytes-like object or a real number, not '${pythonTypeName(value)}'`,
  );
}

/** Python's float(value). */
export function toFloat(value: Json): Float {
  if (value instanceof Float) return value;
  if (typeof value === 'number' || typeof value === 'bigint') return new Float(Number(value));
  if (typeof value === 'boolean') return new Float(value ? 1 : 0);
  if (typeof value === 'string') {
    const text = value
      .trim()
      .toLowerCase()
      .replace(/(?<=\d)_(?=\d)/g, '');
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(text)) return new Float(Number(text));
    if (/^[+-]?(inf|infinity)$/.test(text)) return new Float(text.startsWith('-') ? -Infinity : Infinity);
    if (/^[+-]?nan$/.test(text)) return new Float(Number.NaN);
    throw new ConversionError(`could not convert string to float: ${pythonRepr(value)}`);
  }
  throw new ConversionError(`float() argument must be a string or a real number, not '${pythonTypeName(value)}'`);
}

/** A widget's value as its input type wants it, or the ConversionError that Python would raise. */
export function convertTo(type: Json, value: Json): Json {
  switch (type) {
    case 'INT':
      return toInt(value);
    case 'FLOAT':
      return toFloat(value);
    case 'STRING':
      return pythonStr(value);
    case 'BOOLEAN':
      return isTruthy(value);
    default:
      return value;
  }
}

function exact(value: number | bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
}
