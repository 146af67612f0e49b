import { inspect } from 'node:util';
import { compareKeys } from './keys.js';
import { Complaint } from './operator-failure.js';

/** Below 0 when `a` comes first, above 0 when `b` does, 0 when either may: as `Array.sort` takes it. */
export type Order<T> = (a: T, b: T) => number;

/** The smallest rows met so far. `rows` is sorted up to the `count`-th, once there are more than that; the rest is to be looked at. */
export interface Smallest<T> {
  readonly rows: T[];
  full: boolean;
}

/**
 * Takes one row more: rows that cannot be among the first `count` are left out, and the others sorted and cut whenever they have
 * doubled. Of equal rows the earlier come first.
 */
export function keepSmallest<T>(kept: Smallest<T>, row: T, count: number, order: Order<T>): Smallest<T> {
  const { rows } = kept;
  if (kept.full && order(row, rows[count - 1]!) >= 0) return kept;
  rows.push(row);
  if (rows.length < 2 * count + 16) return kept;
  rows.sort(order);
  rows.length = count;
  kept.full = true;
  return kept;
}

/** The user's order, checked at each answer (a promise is no number, and NaN no order); without one the natural order. */
export function checkedOrder<T>(order: Order<T> | undefined, operator: string): Order<T> {
  if (order === undefined) return compareKeys;
  return (a, b) => {
    const answer: unknown = order(a, b);
    if (typeof answer === 'number' && !Number.isNaN(answer)) return answer;
    const rows = `${inspect(a, { depth: 1 })} and ${inspect(b, { depth: 1 })}`;
    throw new Complaint(
      `the order of ${operator} must answer at once with a number, not ${inspect(answer, { depth: 0 })}, for ${rows}`,
    );
  };
}
