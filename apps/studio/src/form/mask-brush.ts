import { type KeyboardEvent, type PointerEvent, type RefObject, useEffect, useRef, useState } from 'react';

interface Brush {
  readonly size: number;
  readonly isErasing: boolean;
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Draws strokes on a canvas by pointer or keyboard, with undo. */
export function useBrush(canvas: RefObject<HTMLCanvasElement | null>, { size, isErasing }: Brush) {
  const [strokes, setStrokes] = useState<readonly Stroke[]>([]);
  const [at, setAt] = useState<Point>();
  const current = useRef<Stroke>(undefined);

  useEffect(() => {
    const pen = canvas.current?.getContext('2d');
    if (!pen) return;
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    pen.strokeStyle = '#000';
    for (const stroke of strokes) drawStroke(pen, stroke);
  }, [canvas, strokes]);

  const extend = (point: Point) => {
    const pen = canvas.current?.getContext('2d');
    const before = current.current ?? { isErasing, size, points: [] };
    current.current = { ...before, points: [...before.points, point] };
    if (pen) drawStroke(pen, current.current, before.points.length - 1);
  };
  const finish = () => {
    const done = current.current;
    current.current = undefined;
    if (done !== undefined) setStrokes((all) => [...all, done]);
  };
  return {
    strokes,
    /** The brush's position; undefined until it first moves. */
    at,
    undo: () => setStrokes((all) => all.slice(0, -1)),
    clear: () => setStrokes([]),
    handlers: {
      onPointerDown: (event: PointerEvent<HTMLCanvasElement>) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        extend(placeOf(event));
      },
      onPointerMove: (event: PointerEvent<HTMLCanvasElement>) => {
        setAt(placeOf(event));
        if (current.current !== undefined) extend(placeOf(event));
      },
      onPointerUp: finish,
      onPointerCancel: finish,
      onKeyDown: (event: KeyboardEvent<HTMLCanvasElement>) => {
        const { width, height } = event.currentTarget;
        const from = at ?? { x: width / 2, y: height / 2 };
        const [dx, dy] = ARROWS[event.key] ?? [];
        if (dx === undefined || dy === undefined) {
          if (event.key !== ' ' && event.key !== 'Enter') return;
          extend(from);
          finish();
        } else {
          const step = size / 2;
          const to = { x: between(from.x + dx * step, width), y: between(from.y + dy * step, height) };
          setAt(to);
          if (event.shiftKey) {
            extend(from);
            extend(to);
            finish();
          }
        }
        event.preventDefault();
      },
    },
  };
}

/** Converts the pointer's position to pixels of the picture. */
function placeOf({ currentTarget, clientX, clientY }: PointerEvent<HTMLCanvasElement>): Point {
  const { left, top, width, height } = currentTarget.getBoundingClientRect();
  return {
    x: ((clientX - left) / width) * currentTarget.width,
    y: ((clientY - top) / height) * currentTarget.height,
  };
}

function between(place: number, most: number): number {
  return Math.min(Math.max(place, 0), most);
}

/** A position in pixels of the picture. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** One movement of the brush. */
export interface Stroke {
  readonly isErasing: boolean;
  /** Width in pixels of the picture. */
  readonly size: number;
  readonly points: readonly Point[];
}

/** Length of a dot, in pixels. */
const DOT = 0.01;

type Pen = Pick<
  CanvasRenderingContext2D,
  'beginPath' | 'moveTo' | 'lineTo' | 'stroke' | 'lineWidth' | 'lineCap' | 'lineJoin' | 'globalCompositeOperation'
>;

/** Draws a stroke, or the part of it from the point `from` on. */
function drawStroke(pen: Pen, { isErasing, size, points }: Stroke, from = 0): void {
  const [first, ...others] = points.slice(Math.max(0, from));
  if (first === undefined) return;
  pen.globalCompositeOperation = isErasing ? 'destination-out' : 'source-over';
  pen.lineWidth = size;
  pen.lineCap = 'round';
  pen.lineJoin = 'round';
  pen.beginPath();
  pen.moveTo(first.x, first.y);
  // Canvas draws nothing for a line without length, so a dot is a very short line.
  const ends = others.length === 0 ? [{ x: first.x + DOT, y: first.y }] : others;
  for (const { x, y } of ends) pen.lineTo(x, y);
  pen.stroke();
}
