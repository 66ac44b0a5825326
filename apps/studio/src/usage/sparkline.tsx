const HEIGHT = 24;
const WIDTH = 96;

/** Amounts by day, the oldest first, as small bars; the numbers stand on the page of the key. */
export function Sparkline({ amounts }: { readonly amounts: readonly number[] }) {
  const top = Math.max(...amounts, 0);
  if (top === 0) return null;
  const step = WIDTH / amounts.length;
  return (
    <svg className="sparkline" width={WIDTH} height={HEIGHT} aria-hidden="true">
      {amounts.map((amount, at) => {
        const height = amount === 0 ? 0 : Math.max(1, (amount / top) * HEIGHT);
        // biome-ignore lint/suspicious/noArrayIndexKey: a day stays where it is
        return <rect key={at} x={at * step} y={HEIGHT - height} width={Math.max(0.5, step - 0.5)} height={height} />;
      })}
    </svg>
  );
}
