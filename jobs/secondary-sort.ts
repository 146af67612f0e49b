/**
 * Finds the longest warm spell of each weather station: its readings in order of time, without sorting in memory.
 *
 * Shows: repartitionAndSortWithinPartitions with pairs as keys (secondary sort): a station's readings come to one partition, in
 * order, and one pass over an iterator sees them all.
 * Data: --readings generated readings (default 20,000), in no order, of 20 stations.
 * Expected: for each station its longest run of readings above 20 degrees, as a sort in memory finds it.
 */
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';
import { normal, random } from './support/random.js';

const STATIONS = 20;
const WARM = 20;

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({ args, options: { readings: { type: 'string', default: '20000' } } });
  const readings = Number(values.readings);
  const spells = await sc
    .range(0, readings)
    .map((i) => readingOf(i, readings))
    .map(({ station, hour, degrees }) => [[station, hour], degrees])
    .repartitionAndSortWithinPartitions(4, ([station]) => station % 4)
    .mapPartitions(longestSpells)
    .sortByKey()
    .collect();
  return { spells };
}

/** One pass over readings in order of station and hour. */
function* longestSpells(
  readings: Iterable<[[station: number, hour: number], degrees: number]>,
): Iterable<[station: number, hours: number]> {
  let current: number | undefined;
  let [run, longest] = [0, 0];
  for (const [[station], degrees] of readings) {
    if (station !== current) {
      if (current !== undefined) yield [current, longest];
      [current, run, longest] = [station, 0, 0];
    }
    run = degrees > WARM ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  if (current !== undefined) yield [current, longest];
}

/** Reading i, of an hour that no other reading has: readings come in no order. */
export function readingOf(i: number, readings: number) {
  const next = random(i);
  const hour = (i * 7919) % readings;
  const degrees = 15 + 8 * Math.sin((2 * Math.PI * hour) / 24 / 365) + 5 * normal(next);
  return { station: Math.floor(STATIONS * next()), hour, degrees };
}
