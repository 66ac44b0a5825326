/** A place on the picture, in its pixels. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** One movement of the brush. */
export interface Stroke {
  readonly isErasing: boolean;
  /** Pixels of the picture across. */
  readonly size: number;
  readonly points: readonly Point[];
}

/** Pixels. */
const DOT = 0.01;

type Pen = Pick<
  CanvasRenderingContext2D,
  'beginPath' | 'moveTo' | 'lineTo' | 'stroke' | 'lineWidth' | 'lineCap' | 'lineJoin' | 'globalCompositeOperation'
>;

/** Draws a stroke, or what was added to it since its point `from`. */
export function drawStroke(pen: Pen, { isErasing, size, points }: Stroke, from = 0): void {
  const [first, ...others] = points.slice(Math.max(0, from));
  if (first === undefined) return;
  pen.globalCompositeOperation = isErasing ? 'destination-out' : 'source-over';
  pen.lineWidth = size;
  pen.lineCap = 'round';
  pen.lineJoin = 'round';
  pen.beginPath();
  pen.moveTo(first.x, first.y);
  // Of a line without length nothing is drawn: a dot is a very short one.
  const ends = others.length === 0 ? [{ x: first.x + DOT, y: first.y }] : others;
  for (const { x, y } of ends) pen.lineTo(x, y);
  pen.stroke();
}
