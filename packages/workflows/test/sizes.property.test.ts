import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowedLength, sizeOfShape } from '../src/sizes.js';

const limits = fc
  .tuple(fc.integer({ min: 2, max: 64 }), fc.integer({ min: 0, max: 256 }))
  .map(([low, more]) => ({ minSize: low * 8, maxSize: (low + more) * 8 }));

const side = fc.integer({ min: 1, max: 20_000 });
const picture = fc.record({ width: side, height: side });

describe('allowedLength', () => {
  it('is a multiple of 8 within the limits, whatever the length', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), limits, (length, within) => {
        const allowed = allowedLength(length, within);
        expect(allowed % 8).toBe(0);
        expect(allowed).toBeGreaterThanOrEqual(within.minSize);
        expect(allowed).toBeLessThanOrEqual(within.maxSize);
      }),
    );
  });

  it('stays inside limits that are not multiples of 8', () => {
    expect(allowedLength(1, { minSize: 65, maxSize: 1001 })).toBe(72);
    expect(allowedLength(5000, { minSize: 65, maxSize: 1001 })).toBe(1000);
  });
});

describe('sizeOfShape', () => {
  it('is a multiple of 8 within the limits on both sides, whatever the picture', () => {
    fc.assert(
      fc.property(picture, fc.integer({ min: 64, max: 4_000_000 }), limits, (shape, area, within) => {
        const { width, height } = sizeOfShape(shape, area, within);
        for (const length of [width, height]) {
          expect(length % 8).toBe(0);
          expect(length).toBeGreaterThanOrEqual(within.minSize);
          expect(length).toBeLessThanOrEqual(within.maxSize);
        }
      }),
    );
  });

  it('keeps shape and area to within half a step if the limits allow', () => {
    const within = { minSize: 64, maxSize: 2048 };
    const roomy = picture.filter(({ width, height }) => width / height < 6 && height / width < 6);
    fc.assert(
      fc.property(roomy, fc.integer({ min: 65_536, max: 655_360 }), (shape, area) => {
        const { width, height } = sizeOfShape(shape, area, within);
        expect(Math.abs(width - Math.sqrt((area * shape.width) / shape.height))).toBeLessThanOrEqual(4);
        expect(Math.abs(height - Math.sqrt((area * shape.height) / shape.width))).toBeLessThanOrEqual(4);
      }),
    );
  });

  it('shrinks both sides when the longer one would pass the limit', () => {
    const size = sizeOfShape({ width: 4000, height: 1000 }, 4096 * 1024, { minSize: 64, maxSize: 2048 });
    expect(size).toEqual({ width: 2048, height: 512 });
  });

  it('grows both sides when the shorter one would fall below the limit', () => {
    const size = sizeOfShape({ width: 4000, height: 1000 }, 64 * 16, { minSize: 64, maxSize: 2048 });
    expect(size).toEqual({ width: 256, height: 64 });
  });
});
