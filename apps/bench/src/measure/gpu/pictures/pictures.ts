import { type Goal, table } from '../../../lib/report.js';
import type { Scope } from '../../../lib/scope.js';
import { percentOffDue } from '../../scheduler/shares.js';
import { measurePictures, type PictureRun, type Pictures } from './measure.js';
import { type PictureSizes, pictureScenarios, TRACE_KEYS } from './scenarios.js';

export interface PicturesOptions extends PictureSizes {
  readonly redisUrl: string;
  readonly print: (text: string) => void;
}

/** Measures how many pictures a GPU makes with the service and with direct submission of the same jobs. */
export async function measureAllPictures(
  scope: Scope,
  { redisUrl, print, ...sizes }: PicturesOptions,
): Promise<Goal[]> {
  const measured: Record<string, Pictures> = {};
  for (const [name, scenario] of Object.entries(pictureScenarios(sizes))) {
    print(`measuring ${scenario.what}`);
    measured[name] = await measurePictures(scope, { scenario, redisUrl });
  }
  print(picturesTable(Object.values(measured)));
  return goalsOf(measured as Record<Scenario, Pictures>);
}

type Scenario = keyof ReturnType<typeof pictureScenarios>;

const sum = (runs: readonly PictureRun[], of: (run: PictureRun) => number) =>
  runs.reduce((total, run) => total + of(run), 0);
const perGpuSecond = (runs: readonly PictureRun[]) =>
  (sum(runs, ({ jobs }) => jobs) * 1000) / sum(runs, ({ gpuMs }) => gpuMs);
const ratio = ({ service, direct }: Pictures) => perGpuSecond(service) / perGpuSecond(direct);
const hintsOf = ({ service }: Pictures) => sum(service, ({ hints }) => hints);

function picturesTable(measured: readonly Pictures[]): string {
  const side = (runs: readonly PictureRun[]) => [
    perGpuSecond(runs).toFixed(2),
    `${((100 * sum(runs, ({ idleMs }) => idleMs)) / sum(runs, ({ gpuMs }) => gpuMs)).toFixed(1)} %`,
    `${sum(runs, ({ loads }) => loads)}`,
  ];
  return table(
    'Pictures per GPU second with the service and with direct submission of the same jobs in order of arrival',
    ['', 'pictures', 'direct', 'idle', 'loads', 'service', 'idle', 'loads', 'hints', 'ratio'],
    measured.map((pictures) => [
      pictures.scenario.what,
      `${sum(pictures.service, ({ jobs }) => jobs)}`,
      ...side(pictures.direct),
      ...side(pictures.service),
      `${hintsOf(pictures)}`,
      ratio(pictures).toFixed(3),
    ]),
  );
}

const LEAST: Readonly<Record<Scenario, number>> = {
  ltx: 1.6,
  krea: 1.5,
  fits: 0.98,
  classic: 0.98,
  saving: 1.1,
  mixed: 1.3,
};
/** For scenarios in which nothing can be gained. */
const MOST = 1.02;
const MOST_OFF_PERCENT = 10;

function goalsOf(measured: Readonly<Record<Scenario, Pictures>>): Goal[] {
  const { fits, classic, mixed } = measured;
  const goals = Object.entries(LEAST).map(([name, limit]): Goal => {
    const pictures = measured[name as Scenario];
    const what = `${pictures.scenario.what}: service ÷ direct`;
    return { what, value: ratio(pictures), unit: '', bound: 'at least', limit };
  });
  for (const pictures of [fits, classic]) {
    const what = `${pictures.scenario.what}: service ÷ direct`;
    goals.push({ what, value: ratio(pictures), unit: '', bound: 'at most', limit: MOST });
  }
  goals.push({
    what: `${classic.scenario.what}: hints`,
    value: hintsOf(classic),
    unit: '',
    bound: 'at most',
    limit: 0,
  });
  const off = Math.abs(percentOffDue(mixed.shares, new Map(Object.keys(TRACE_KEYS).map((key) => [key, 1]))));
  goals.push({
    what: `${mixed.scenario.what}: a key off its share`,
    value: off,
    unit: '%',
    bound: 'at most',
    limit: MOST_OFF_PERCENT,
  });
  return goals;
}
