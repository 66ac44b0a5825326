import { OTHER, Sample, Swatch } from '../../charts/paint.js';

interface LegendProps {
  /** In the order of display. */
  readonly names: readonly string[];
  readonly paints: ReadonlyMap<string, number>;
}

/** The legend of the colours. */
export function Legend({ names, paints }: LegendProps) {
  const own = names.filter((name) => paints.get(name) !== OTHER);
  const others = names.length - own.length;
  return (
    <ul className="paint-legend">
      {own.map((name) => (
        <li key={name}>
          <Swatch paint={paints.get(name) ?? OTHER} /> {name}
        </li>
      ))}
      {others > 0 && (
        <li>
          <Swatch paint={OTHER} />{' '}
          {others === 1 ? names.find((name) => paints.get(name) === OTHER) : `${others} others`}
        </li>
      )}
    </ul>
  );
}

/** The legend of the marks on a lane. */
export function Marks() {
  return (
    <ul className="paint-legend">
      <li>
        <Sample>
          <path className="paint-8" d="M0 4h22v10h-22z" />
          <path className="loads" d="M8 4h6v10h-6z" />
          <path className="mark-load" d="M8 4l-3.5 -4h7z" />
        </Sample>
        loading models
      </li>
      <li>
        <Sample>
          <path className="mark-running" d="M10 0h3v14h-3z" />
        </Sample>
        running now
      </li>
      <li>
        <Sample>
          <path className="mark-failed" d="M8 4l6 6m0 -6l-6 6" />
        </Sample>
        failed
      </li>
      <li>
        <Sample>
          <path className="mark-stopped" d="M8 4h6v6h-6z" />
        </Sample>
        canceled or stopped
      </li>
    </ul>
  );
}
