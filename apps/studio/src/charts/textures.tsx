/** In pixels, each way. */
export const TEXTURE_SIZE = 8;
/** What tells paints apart without their colours: one for each but the first and the last, which are plain. */
export const TEXTURES: readonly string[] = [
  'M-1 1 L1 -1 M0 8 L8 0 M7 9 L9 7',
  'M2 2 h1.5 v1.5 h-1.5 z M6 6 h1.5 v1.5 h-1.5 z',
  'M0 2 H8 M0 6 H8',
  'M-1 7 L1 9 M0 0 L8 8 M7 -1 L9 1',
  'M2 0 V8 M6 0 V8',
  'M0 4 H8 M4 0 V8',
  'M0 0 L8 8 M8 0 L0 8',
];

/** Once on a page: the textures, by the ids that `url(#…)` in styles/fleet.css names. */
export function Textures() {
  return (
    <svg className="textures" aria-hidden="true" width="0" height="0">
      <defs>
        {TEXTURES.map((lines, index) => (
          <pattern
            key={lines}
            id={`texture-${index + 1}`}
            width={TEXTURE_SIZE}
            height={TEXTURE_SIZE}
            patternUnits="userSpaceOnUse"
          >
            <path className="texture-lines" d={lines} />
          </pattern>
        ))}
      </defs>
    </svg>
  );
}
