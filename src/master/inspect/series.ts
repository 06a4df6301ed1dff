/** Figures over time, for charts: a ring for each resolution, in memory, filled once a second. */
import { SERIES, SERIES_STEPS } from '../../protocol/devtools.ts';
import type { SeriesName, SeriesView } from '../../protocol/devtools.ts';

export type Sample = Record<SeriesName, number>;

export interface Series {
  /** Call once a second. */
  sample: (wallMs: number, sample: Sample) => void;
  view: (stepMs: number) => SeriesView;
}

interface Ring {
  stepMs: number;
  max: number;
  rows: { wallMs: number; sample: Sample }[];
  /** What came since the last row. */
  open: Sample[];
  endsAt: number;
}

/** Of what is a level the highest counts in a longer step; of a rate, the mean. */
const RATES = new Set<SeriesName>(['submittedPerSecond', 'endedPerSecond', 'badlyEndedPerSecond']);

export function makeSeries(): Series {
  const rings = Object.entries(SERIES_STEPS).map(([stepMs, max]): Ring => {
    return { stepMs: Number(stepMs), max, rows: [], open: [], endsAt: 0 };
  });
  return {
    sample(wallMs, sample) {
      for (const ring of rings) take(ring, wallMs, sample);
    },
    view(stepMs) {
      const rows = rings.find((ring) => ring.stepMs === stepMs)?.rows ?? [];
      const values = Object.fromEntries(
        SERIES.map((name) => [name, rows.map(({ sample }) => sample[name])]),
      ) as SeriesView['values'];
      return { stepMs, at: rows.map(({ wallMs }) => wallMs), values };
    },
  };
}

function take(ring: Ring, wallMs: number, sample: Sample): void {
  ring.open.push(sample);
  if (ring.stepMs > 1000 && wallMs < ring.endsAt) return;
  ring.rows.push({ wallMs, sample: joined(ring.open) });
  ring.open = [];
  ring.endsAt = wallMs + ring.stepMs;
  if (ring.rows.length > ring.max) ring.rows.shift();
}

function joined(samples: readonly Sample[]): Sample {
  const whole = {} as Sample;
  for (const name of SERIES) {
    const values = samples.map((sample) => sample[name]);
    whole[name] = RATES.has(name)
      ? values.reduce((sum, value) => sum + value, 0) / values.length
      : Math.max(...values);
  }
  return whole;
}
