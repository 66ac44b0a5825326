/** A number between two bounds, which are equal if it is known, and NaN if nothing is known of it. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

type Calculate = (left: Range, right: Range) => Range;

const TOKENS = /\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|[a-z_]\w*|\/\/|\*\*|<<|>>|[<>=!]=|\S/gi;
const NAME = /^(?:[a-z]|values)$/;

const UNKNOWN: Range = { least: Number.NaN, most: Number.NaN };

const exactly = (value: number): Range => ({ least: value, most: value });
const spanOf = (...values: number[]): Range => ({ least: Math.min(...values), most: Math.max(...values) });
/** Python has exact integers of any size; ours are exact up to this one. */
const safe = (range: Range): Range => (Math.max(-range.least, range.most) <= Number.MAX_SAFE_INTEGER ? range : UNKNOWN);
const isExact = ({ least, most }: Range) => least === most;

/** For operations that are monotonic in each operand. */
const corners =
  (calculate: (left: number, right: number) => number): Calculate =>
  (left, right) =>
    spanOf(
      calculate(left.least, right.least),
      calculate(left.least, right.most),
      calculate(left.most, right.least),
      calculate(left.most, right.most),
    );
const known =
  (calculate: (left: number, right: number) => number, otherwise: Calculate): Calculate =>
  (left, right) =>
    isExact(left) && isExact(right) ? exactly(calculate(left.most, right.most)) : otherwise(left, right);
const modulo = (left: number, right: number) => ((left % right) + right) % right;
const divided =
  (calculate: (left: number, right: number) => number): Calculate =>
  (left, right) =>
    right.least > 0 || right.most < 0 ? corners(calculate)(left, right) : UNKNOWN;
const comparing = (compare: (left: number, right: number) => boolean) =>
  known(
    (left, right) => Number(compare(left, right)),
    () => spanOf(0, 1),
  );
const bits = (calculate: (left: bigint, right: bigint) => bigint, otherwise: Calculate = () => UNKNOWN) =>
  known((left, right) => Number(calculate(BigInt(left), BigInt(right))), otherwise);
const either: Calculate = (left, right) => spanOf(left.least, left.most, right.least, right.most);

const COMPARISONS: Readonly<Record<string, Calculate>> = {
  '<': comparing((left, right) => left < right),
  '>': comparing((left, right) => left > right),
  '<=': comparing((left, right) => left <= right),
  '>=': comparing((left, right) => left >= right),
  '==': comparing((left, right) => left === right),
  '!=': comparing((left, right) => left !== right),
};
/** From the lowest to the highest precedence, as in Python. */
const OPERATORS: readonly Readonly<Record<string, Calculate>>[] = [
  { or: either },
  { and: either },
  COMPARISONS,
  { '|': bits((left, right) => left | right) },
  { '^': bits((left, right) => left ^ right) },
  {
    '&': bits(
      (left, right) => left & right,
      (left) => (left.least >= 0 ? spanOf(0, left.most) : UNKNOWN),
    ),
  },
  { '+': corners((left, right) => left + right), '-': corners((left, right) => left - right) },
  {
    '*': corners((left, right) => left * right),
    '/': divided((left, right) => left / right),
    '//': divided((left, right) => Math.round((left - modulo(left, right)) / right)),
    '%': known(modulo, (_left, right) => (right.least > 0 ? spanOf(0, right.most) : UNKNOWN)),
  },
];
const UNARY: Readonly<Record<string, (value: number) => number>> = {
  '-': (value) => -value,
  '+': (value) => value,
  '~': (value) => -Math.trunc(value) - 1,
};
/** All are monotonic in each argument. */
const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = {
  min: Math.min,
  max: Math.max,
  sum: (...values) => values.reduce((all, value) => all + value, 0),
};
const unknown = () => UNKNOWN;
/** Functions of one number. With a second one, `round` may calculate a large power of ten. */
const FUNCTIONS_OF_ONE: Readonly<Record<string, (value: Range) => Range>> = {
  // Python rounds halves to even integers.
  round: ({ least, most }) => ({ least: Math.ceil(least - 0.5), most: Math.floor(most + 0.5) }),
  ceil: monotonic(Math.ceil),
  floor: monotonic(Math.floor),
  int: monotonic(Math.trunc),
  float: monotonic(Number),
  sqrt: monotonic(Math.sqrt),
  abs: ({ least, most }) => (least < 0 && most > 0 ? spanOf(0, -least, most) : spanOf(Math.abs(least), Math.abs(most))),
  log: unknown,
  log2: unknown,
  log10: unknown,
  sin: unknown,
  cos: unknown,
  tan: unknown,
};

function monotonic(calculate: (value: number) => number): (value: Range) => Range {
  return ({ least, most }) => ({ least: calculate(least), most: calculate(most) });
}

/**
 * Bounds of the result of a formula of ComfyMathExpression. Undefined for a text that has anything but numbers, names,
 * operators and functions of ours; Python's powers, for example, may take hours.
 */
export function calculate(formula: string, numberOf: (name: string) => Range | undefined): Range | undefined {
  const tokens = formula.match(TOKENS) ?? [];
  let next = 0;
  const take = (token: string) => {
    const isNext = tokens[next] === token;
    if (isNext) next += 1;
    return isNext;
  };
  const expect = (token: string) => {
    if (!take(token)) throw new SyntaxError(`"${token}" is missing`);
  };

  const expression = (): Range => {
    const value = operation(0);
    if (!take('if')) return value;
    const holds = operation(0);
    expect('else');
    const other = expression();
    if (!isExact(holds)) return either(value, other);
    return holds.most === 0 ? other : value;
  };
  const operation = (level: number): Range => {
    const operators = OPERATORS[level];
    if (operators === undefined) return safe(operand());
    let value = operation(level + 1);
    for (let count = 0; Object.hasOwn(operators, tokens[next] ?? ''); count += 1) {
      // Python joins chained comparisons by "and".
      if (operators === COMPARISONS && count > 0) throw new SyntaxError('two comparisons in a row');
      const calculateBoth = operators[tokens[next++] ?? ''];
      value = safe(calculateBoth?.(value, operation(level + 1)) ?? UNKNOWN);
    }
    return value;
  };
  const operand = (): Range => {
    const token = tokens[next++] ?? '';
    const unary = Object.hasOwn(UNARY, token) ? UNARY[token] : undefined;
    if (unary !== undefined) {
      const { least, most } = operand();
      return spanOf(unary(least), unary(most));
    }
    if (token === '(') return closed(expression());
    if (/^[\d.]/.test(token)) return exactly(Number(token));
    if (!take('(')) {
      if (!NAME.test(token)) throw new SyntaxError(`"${token}" is no value`);
      return numberOf(token) ?? UNKNOWN;
    }
    const values = [expression()];
    while (take(',')) values.push(expression());
    return closed(called(token, values));
  };
  const called = (name: string, values: readonly Range[]): Range => {
    const [value = UNKNOWN, ...more] = values;
    const ofOne = Object.hasOwn(FUNCTIONS_OF_ONE, name) ? FUNCTIONS_OF_ONE[name] : undefined;
    if (ofOne !== undefined && more.length === 0) return ofOne(value);
    const call = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (call === undefined) throw new SyntaxError(`"${name}" is no function of ${values.length} numbers`);
    // Only of the list of all values.
    if (more.length === 0) return UNKNOWN;
    return spanOf(call(...values.map(({ least }) => least)), call(...values.map(({ most }) => most)));
  };
  const closed = (value: Range) => {
    expect(')');
    return value;
  };

  try {
    const value = expression();
    return next === tokens.length ? value : undefined;
  } catch {
    return undefined;
  }
}
