/** A Python float, where a JSON reader distinguishes 7.0 from 7. Elsewhere all numbers except bigints are plain. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** The value of an input after ComfyUI's conversion, or Python's error if that fails. */
export type Converted = { readonly value: unknown } | { readonly fault: string };

/** Converts a widget's value to its type. Floats stay plain numbers. */
export function convert(type: unknown, value: unknown): Converted {
  switch (type) {
    case 'INT':
      return toInt(value);
    case 'FLOAT':
      return toFloat(value);
    case 'STRING':
      return { value: pythonText(value) };
    case 'BOOLEAN':
      return { value: isTruthy(value) };
    default:
      return { value };
  }
}

function toInt(value: unknown): Converted {
  if (typeof value === 'bigint') return { value };
  if (typeof value === 'boolean') return { value: Number(value) };
  const number = value instanceof Float ? value.value : value;
  if (typeof number === 'number') {
    if (Number.isNaN(number)) return { fault: 'cannot convert float NaN to integer' };
    if (!Number.isFinite(number)) return { fault: 'cannot convert float infinity to integer' };
    return { value: value instanceof Float ? exact(BigInt(Math.trunc(number))) : Math.trunc(number) };
  }
  if (typeof value !== 'string') return { fault: notANumber('int()', value) };
  const digits = value.trim();
  // BigInt() takes quadratic time.
  if (/^[+-]?\d+(_\d+)*$/.test(digits) && digits.length < MOST_DIGITS) {
    return { value: exact(BigInt(digits.replace(/[_+]/g, ''))) };
  }
  return { fault: `invalid literal for int() with base 10: ${pythonRepr(value)}` };
}

/** As many digits as Python itself parses. */
const MOST_DIGITS = 4300;

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

export function toFloat(value: unknown): Converted {
  if (value instanceof Float) return { value: value.value };
  if (typeof value === 'number') return { value };
  if (typeof value === 'bigint' || typeof value === 'boolean') return { value: Number(value) };
  if (typeof value !== 'string') return { fault: notANumber('float()', value) };
  const text = value
    .trim()
    .toLowerCase()
    .replace(/(?<=\d)_(?=\d)/g, '');
  if (/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/.test(text)) return { value: Number(text) };
  if (/^[+-]?(inf|infinity)$/.test(text)) return { value: text.startsWith('-') ? -Infinity : Infinity };
  if (/^[+-]?nan$/.test(text)) return { value: Number.NaN };
  return { fault: `could not convert string to float: ${pythonRepr(value)}` };
}

function notANumber(what: string, value: unknown): string {
  const kinds = what === 'int()' ? 'a string, a bytes-like object or a real number' : 'a string or a real number';
  return `${what} argument must be ${kinds}, not '${value === null ? 'NoneType' : Array.isArray(value) ? 'list' : 'dict'}'`;
}

/** Python's truth of a JSON value: empty text, lists, objects, zero and None are false. */
export function isTruthy(value: unknown): boolean {
  if (value instanceof Float) return value.value !== 0;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

/** Python's str() of a JSON value, as in ComfyUI's messages. */
export function pythonText(value: unknown): string {
  return typeof value === 'string' ? value : pythonRepr(value);
}

/** Python's repr() of a JSON value. */
export function pythonRepr(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return reprText(value);
  if (value instanceof Float) return floatText(value.value);
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(', ')}]`;
  if (typeof value !== 'object') return String(value);
  const members = Object.entries(value).map(([key, member]) => `${reprText(key)}: ${pythonRepr(member)}`);
  return `{${members.join(', ')}}`;
}

/** Python's repr() of a float: 7.0, 1e-05, 1e+16, nan. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  return Number.isInteger(value) ? `${Object.is(value, -0) ? '-0' : value}.0` : String(value);
}

function reprText(text: string): string {
  const escaped = text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t');
  return escaped.includes("'") && !escaped.includes('"') ? `"${escaped}"` : `'${escaped.replace(/'/g, "\\'")}'`;
}
