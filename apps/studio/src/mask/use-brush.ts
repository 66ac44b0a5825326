import { type KeyboardEvent, type PointerEvent, type RefObject, useEffect, useRef, useState } from 'react';
import { drawStroke, type Point, type Stroke } from './strokes.js';

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

/** Strokes on a canvas by pointer and by keyboard, each of which can be undone. */
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
    /** Where the brush is; undefined until it was anywhere. */
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

/** Where on the picture, however large it is shown. */
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
