/** A number between two bounds, which are equal if it is known. */
export interface Range {
  readonly least: number;
  readonly most: number;
  /** It is no fraction. */
  readonly isWhole?: boolean | undefined;
}

type Calculate = (left: Range, right: Range) => Range;

const TOKENS = /\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|[a-z_]\w*|\/\/|\*\*|<<|>>|[<>=!]=|\S/gi;
/** One line of a usual length; of several, Python calculates only the first. */
const FORMULA = /^[ -~]{0,500}$/;
/** Other names have a meaning in Python, such as `True`, `values` and `abs`. */
const VALUE = /^[a-z]$/;

const UNKNOWN: Range = { least: Number.NaN, most: Number.NaN };
/** More than the relative rounding error of any operation below. */
const ROUNDING = 2 ** -50;

/**
 * A range that holds what Python calculates as well, which has exact integers of any size where we have doubles. Integers
 * below 2⁵³ are exact in both.
 */
function enclosed(range: Range): Range {
  const { least, most } = range;
  if (least === most && Number.isSafeInteger(most)) return { least, most, isWhole: true };
  if (!Number.isFinite(least) || !Number.isFinite(most)) return UNKNOWN;
  return widened(range);
}

function widened({ least, most, isWhole = false }: Range): Range {
  return { least: least - Math.abs(least) * ROUNDING, most: most + Math.abs(most) * ROUNDING, isWhole };
}

const areWhole = (values: readonly Range[]) => values.every(({ isWhole }) => isWhole);
const exactly = (value: number): Range => enclosed({ least: value, most: value });
const spanOf = (...values: number[]): Range => ({ least: Math.min(...values), most: Math.max(...values) });
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
const whole =
  (calculate: Calculate): Calculate =>
  (left, right) => ({ ...calculate(left, right), isWhole: areWhole([left, right]) });
const divided =
  (calculate: (left: number, right: number) => number): Calculate =>
  (left, right) => {
    // Python does not divide by zero.
    const least = right.isWhole && right.least === 0 ? 1 : right.least;
    return least > 0 || right.most < 0 ? corners(calculate)(left, { ...right, least }) : UNKNOWN;
  };
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
  { '+': whole(corners((left, right) => left + right)), '-': whole(corners((left, right) => left - right)) },
  {
    '*': whole(corners((left, right) => left * right)),
    '/': divided((left, right) => left / right),
    '//': known(
      (left, right) => Math.floor(left / right),
      (left, right) => {
        const { least, most } = widened(divided((one, other) => one / other)(left, right));
        return { least: Math.floor(least), most: Math.floor(most) };
      },
    ),
    '%': known(
      (left, right) => left - right * Math.floor(left / right),
      (_left, right) => (right.least > 0 ? spanOf(0, right.most) : UNKNOWN),
    ),
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
/** Functions of one number; `round`, for example, can have a second argument, which changes its result. */
const FUNCTIONS_OF_ONE: Readonly<Record<string, (value: Range) => Range>> = {
  // Python rounds halves to even integers.
  round: ({ least, most }) => ({ least: Math.ceil(least - 0.5), most: Math.floor(most + 0.5) }),
  ceil: monotonic(Math.ceil),
  floor: monotonic(Math.floor),
  int: monotonic(Math.trunc),
  float: monotonic(Number),
  sqrt: monotonic(Math.sqrt),
  abs: ({ least, most }) => (least < 0 && most > 0 ? spanOf(0, -least, most) : spanOf(Math.abs(least), Math.abs(most))),
};

function monotonic(calculate: (value: number) => number): (value: Range) => Range {
  return ({ least, most }) => ({ least: calculate(least), most: calculate(most) });
}

/** The result of a formula of ComfyMathExpression; NaN if it has a part that we cannot calculate. */
export function calculate(formula: string, numberOf: (name: string) => Range | undefined): Range {
  const tokens = FORMULA.test(formula) ? (formula.match(TOKENS) ?? []) : [];
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
    if (operators === undefined) return operand();
    let value = operation(level + 1);
    for (let count = 0; Object.hasOwn(operators, tokens[next] ?? ''); count += 1) {
      // Python joins chained comparisons by "and".
      if (operators === COMPARISONS && count > 0) throw new SyntaxError('two comparisons in a row');
      const calculateBoth = operators[tokens[next++] ?? ''];
      value = enclosed(calculateBoth?.(value, operation(level + 1)) ?? UNKNOWN);
    }
    return value;
  };
  const operand = (): Range => {
    const token = tokens[next++] ?? '';
    const unary = Object.hasOwn(UNARY, token) ? UNARY[token] : undefined;
    if (unary !== undefined) {
      const { least, most } = operand();
      return enclosed(spanOf(unary(least), unary(most)));
    }
    if (token === '(') return closed(expression());
    if (/^[\d.]/.test(token)) return exactly(Number(token));
    if (!take('(')) return enclosed((VALUE.test(token) ? numberOf(token) : undefined) ?? UNKNOWN);
    const values = [expression()];
    while (take(',')) values.push(expression());
    return closed(called(token, values));
  };
  const called = (name: string, values: readonly Range[]): Range => {
    const [value = UNKNOWN, ...more] = values;
    if (more.length === 0)
      return Object.hasOwn(FUNCTIONS_OF_ONE, name) ? enclosed(FUNCTIONS_OF_ONE[name]?.(value) ?? UNKNOWN) : UNKNOWN;
    const call = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (call === undefined) return UNKNOWN;
    const result = spanOf(call(...values.map(({ least }) => least)), call(...values.map(({ most }) => most)));
    return enclosed({ ...result, isWhole: areWhole(values) });
  };
  const closed = (value: Range) => {
    expect(')');
    return value;
  };

  try {
    const value = expression();
    return next === tokens.length ? value : UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}
