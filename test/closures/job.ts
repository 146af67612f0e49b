import { shift } from './helpers.js';

export { cases, refused } from './cases.js';

interface Row {
  readonly value: number;
}

let limit = 1;

function check(row: Row): number {
  // The comment and the interface above are not in the bundle: its lines differ from these.
  if (row.value > limit) throw new RangeError(`${row.value} is above ${limit}`); // check throws
  return shift(row.value);
}

/** Throws two calls deep, from a function shipped by value, as its `limit` is data. */
export function throwing(): (x: number) => number {
  limit = 5;
  return (x) => {
    const row: Row = { value: x };
    return check(row); // calls check
  };
}

/** Throws in a function that executors find in the bundle. */
export function throwingInBundle(): (x: number) => number {
  return (x) => fail(x); // calls fail
}

function fail(x: number): number {
  throw new Error(`no ${x}`); // fail throws
}

export default async function main(): Promise<void> {}
