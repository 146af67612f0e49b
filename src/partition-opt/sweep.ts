import type { TimedEvent } from '../protocol/event.js';
import { Conf } from '../scheduler/conf.js';
import { median } from './statistics.js';

/** Values of one setting, to be tried one by one. */
export interface Sweep {
  readonly key: string;
  readonly values: readonly string[];
}

/**
 * `sheaf.partitions=1,2,4`; commas within brackets belong to a value (`local-cluster[2,1]`).
 * @throws Error for another form, an unknown setting, a value that it does not take, the same value twice
 */
export function parseSweep(text: string): Sweep {
  const [, key, list] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
  const values = list?.split(/,(?![^[]*\])/).map((value) => value.trim()) ?? [];
  if (!key || values.includes(''))
    throw new Error(`--sweep takes key=value,value,…, such as sheaf.partitions=1,2,4,8; not "${text}"`);
  for (const value of values) new Conf({ [key]: value });
  const twice = values.find((value, k) => values.indexOf(value) < k);
  if (twice !== undefined) throw new Error(`--sweep names ${key}=${twice} twice`);
  return { key, values };
}

/** One run of a job, as its event log tells it. */
export interface SweepRun {
  readonly value: string;
  readonly jobMs: number;
  /** Of all planned sources together; undefined when nothing was planned. */
  readonly partitions?: number;
  readonly predictedMs?: number;
  /** Of the stages that read them, without what slots do once. */
  readonly measuredMs?: number;
  /** What the cost model would have chosen. */
  readonly model?: { readonly partitions: number; readonly predictedMs: number };
}

/** @throws Error when the setting swept had no effect, because the job's own conf is stronger */
export function readRun(events: readonly TimedEvent[], { key }: Pick<Sweep, 'key'>, value: string): SweepRun {
  const start = events.find((event) => event.event === 'app-start');
  const end = events.find((event) => event.event === 'app-end');
  if (!start || !end) throw new Error(`the event log of the run with ${key}=${value} is not complete`);
  const effective = (start.conf as Record<string, string>)[key];
  if (key !== 'sheaf.master' && effective !== value)
    throw new Error(
      `the job's own conf sets ${key}=${effective}, which is stronger than a sweep: take it out of the job`,
    );
  const plans = events.filter((event) => event.event === 'plan').filter(({ choice }) => typeof choice === 'number');
  const outcomes = events.filter((event) => event.event === 'plan-measured');
  const models = plans.map(({ details }) => (details as { model?: NonNullable<SweepRun['model']> } | undefined)?.model);
  return {
    value,
    jobMs: end.at - start.at,
    partitions: sum(plans.map(({ choice }) => choice as number)),
    predictedMs: sum(outcomes.map(({ predictedMs }) => predictedMs)),
    measuredMs: sum(outcomes.map(({ measuredMs }) => measuredMs)),
    model: models.length === 1 ? models[0] : undefined,
  };
}

/** Undefined when there is nothing to add, or not everything is known. */
function sum(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 || known.length < values.length ? undefined : known.reduce((a, b) => a + b, 0);
}

interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface SweepRow {
  readonly value: string;
  readonly partitions?: number;
  /** Median of the predictions made before each run. */
  readonly predictedMs?: number;
  /** What is compared: the planned stages where partitions are swept, else the whole job. */
  readonly measured: Spread;
  readonly job: Spread;
  /** To the best median; infinite where that is 0. */
  readonly ratio: number;
}

export interface SweepReport {
  readonly key: string;
  readonly compared: 'planned stages' | 'job';
  readonly rows: readonly SweepRow[];
  readonly best: string;
  /** The first value that is within `KNEE` of the best. */
  readonly knee: string;
  /** The model's choice, when partitions are swept: the one of most runs. */
  readonly model?: number;
  /** |predicted / measured - 1| of the medians that are not 0. */
  readonly error?: Pick<Spread, 'median' | 'max'>;
}

const KNEE = 1.05;

/** What a sweep's runs say, in the order of its values. Pure. */
export function sweepReport({ key, values }: Sweep, runs: readonly SweepRun[]): SweepReport {
  const byStages = key === 'sheaf.partitions' && runs.every(({ measuredMs }) => measuredMs !== undefined);
  const plain = values.map((value) => {
    const own = runs.filter((run) => run.value === value);
    const predictions = own.flatMap(({ predictedMs }) => predictedMs ?? []);
    return {
      value,
      partitions: own.at(-1)?.partitions,
      predictedMs: byStages && predictions.length > 0 ? median(predictions) : undefined,
      measured: spread(own.map((run) => (byStages ? run.measuredMs! : run.jobMs))),
      job: spread(own.map(({ jobMs }) => jobMs)),
    };
  });
  const best = plain.reduce((a, b) => (b.measured.median < a.measured.median ? b : a));
  const ratio = (ms: number, base: number) => (ms === base ? 1 : ms / base);
  const rows = plain.map((row) => ({ ...row, ratio: ratio(row.measured.median, best.measured.median) }));
  const errors = rows.flatMap(({ predictedMs, measured }) =>
    predictedMs === undefined || measured.median === 0 ? [] : Math.abs(predictedMs / measured.median - 1),
  );
  return {
    key,
    compared: byStages ? 'planned stages' : 'job',
    rows,
    best: best.value,
    knee: rows.find(({ ratio }) => ratio <= KNEE)?.value ?? best.value,
    model: byStages ? mostFrequent(runs.flatMap(({ model }) => model?.partitions ?? [])) : undefined,
    error: errors.length > 0 ? { median: median(errors), max: Math.max(...errors) } : undefined,
  };
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

function mostFrequent(values: readonly number[]): number | undefined {
  const count = (value: number) => values.filter((each) => each === value).length;
  return [...values].sort((a, b) => count(b) - count(a) || a - b)[0];
}
