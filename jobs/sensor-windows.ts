/**
 * Cuts sensor recordings into windows of time and finds how much each phone moved in them.
 *
 * Shows: CSV columns to rows, windows of time as a part of the key, sums by key, the windows of a recording as a series.
 * Data: MotionSense, 50 readings a second; without --data the sample in data/motionsense-sample. --seconds S, default 5.
 * Expected on the sample: 568 windows; those who jog (jog) move most, those who sit (sit) least.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';

const READINGS_PER_SECOND = 50;
/** The first column, which has no name, holds the number of the reading. */
const COLUMNS = {
  column0: 'int32',
  'userAcceleration.x': 'float32',
  'userAcceleration.y': 'float32',
  'userAcceleration.z': 'float32',
} as const;

type Reading = {
  readonly column0: number;
  readonly 'userAcceleration.x': number;
  readonly 'userAcceleration.y': number;
  readonly 'userAcceleration.z': number;
  readonly activity: string;
  readonly trial: number;
  readonly subject: number;
};

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: 'string', default: fileURLToPath(new URL('../data/motionsense-sample', import.meta.url)) },
      seconds: { type: 'string', default: '2' },
    },
  });
  const size = Number(values.seconds) * READINGS_PER_SECOND;
  const readings = sc.csv(`${values.data}/**/sub_*.csv`, {
    columns: COLUMNS,
    pathColumns: /(?<activity>[a-z]+)_(?<trial>\d+)\/sub_(?<subject>\d+)\.csv$/,
    pathTypes: { trial: 'int32', subject: 'int32' },
  });
  const windows = readings
    .map((row) => row as Reading)
    .map((row) => [[row.activity, row.trial, row.subject, Math.floor(row.column0 / size)], squaredAcceleration(row)])
    .aggregateByKey(
      { sum: 0, readings: 0 },
      (all, squared) => ({ sum: all.sum + squared, readings: all.readings + 1 }),
      (a, b) => ({ sum: a.sum + b.sum, readings: a.readings + b.readings }),
    )
    .filter(([, { readings }]) => readings === size)
    .mapValues(({ sum }) => Math.sqrt(sum / size))
    .cache();
  const byActivity = await windows
    .map(([[activity], movement]) => [activity, [movement, 1]])
    .reduceByKey((a, b) => [a[0] + b[0], a[1] + b[1]])
    .mapValues(([sum, count]) => sum / count)
    .sortBy(([, movement]) => movement)
    .collect();
  const jumps = windows
    .map(([[activity, trial, subject, window], movement]) => [
      [activity, trial, subject],
      [window, movement],
    ])
    .groupByKey()
    .mapValues(largestJump);
  const largestJumps = await jumps.top(3, ([, a], [, b]) => a - b);
  return { windows: await windows.count(), byActivity, largestJumps };
}

/** Between the movement in a window and in the one after it; 0 for a single window. */
function largestJump(windows: readonly [window: number, movement: number][]): number {
  const movements = [...windows].sort(([a], [b]) => a - b).map(([, movement]) => movement);
  return movements.slice(1).reduce((most, movement, k) => Math.max(most, Math.abs(movement - movements[k]!)), 0);
}

function squaredAcceleration(row: Reading): number {
  return row['userAcceleration.x'] ** 2 + row['userAcceleration.y'] ** 2 + row['userAcceleration.z'] ** 2;
}
