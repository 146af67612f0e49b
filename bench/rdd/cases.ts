/** A job that every peer runs; `fields` go to the peer, which knows the case by the first of them. */
export interface Case {
  readonly id: string;
  readonly title: string;
  /** Cases of one family count as one in the mean. */
  readonly family: string;
  readonly fields: readonly string[];
  /** Jobs of one run: its time is divided by them. */
  readonly jobs: number;
}

/** Sizes are divided by `shrink`. @param data directory of MotionSense's recordings; without it there is no CSV case */
export function casesOf(data: string | undefined, shrink = 1): Case[] {
  const million = 1e6 / shrink;
  const count = (rows: number) => (rows >= 1e6 ? `${rows / 1e6} M` : `${rows / 1000} k`);
  const one = (id: string, title: string, ...fields: (string | number)[]): Case => ({
    id,
    title,
    family: id,
    fields: fields.map(String),
    jobs: 1,
  });
  const keys = { few: 1000 / Math.min(shrink, 10), many: million / 2 };
  return [
    one('map-filter-sum', `map, filter, sum of ${count(10 * million)} whole numbers`, 'map-filter-sum', 10 * million),
    one(
      'reduceByKey-few',
      `reduceByKey, ${count(10 * million)} rows, ${keys.few} keys`,
      'reduceByKey',
      10 * million,
      keys.few,
    ),
    one(
      'reduceByKey-many',
      `reduceByKey, ${count(2 * million)} rows, ${count(keys.many)} keys`,
      'reduceByKey',
      2 * million,
      keys.many,
    ),
    one('sortBy', `sortBy of ${count(2 * million)} doubles`, 'sortBy', 2 * million),
    one('join', `join, ${count(million / 2)} x ${count(million / 2)} rows`, 'join', million / 2),
    one('treeAggregate', `treeAggregate of 64 vectors of ${count(million)} doubles`, 'treeAggregate', 64, million),
    ...(data ? [one('csv', 'parse 360 CSV files of MotionSense, sum the columns', 'csv', data)] : []),
    ...[1, 8, 64, 256].map((tasks): Case => {
      const jobs = Math.max(2, Math.min(10, 256 / tasks));
      const title = `empty stage of ${tasks} task${tasks > 1 ? 's' : ''}`;
      return { id: `empty-${tasks}`, title, family: 'empty', fields: ['empty', `${tasks}`, `${jobs}`], jobs };
    }),
  ];
}

/** Peers add doubles in orders of their own; a sum's terms may cancel, so that a little is allowed beside zero too. */
const TOLERANCE = 1e-9;

export function sameCheck(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => sameNumber(value, b[i]!));
}

function sameNumber(a: number, b: number): boolean {
  if (Number.isInteger(a) && Number.isInteger(b)) return a === b;
  return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b));
}
