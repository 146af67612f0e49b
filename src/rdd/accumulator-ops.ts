import { inspect } from 'node:util';
import {
  decodeCopy,
  encodeValue,
  restoreFunction,
  type ShippedFunction,
  shipFunction,
} from '../executor/closure/index.js';
import { isPromise } from './operator-failure.js';

/** What an accumulator does with values of type T: `S` is what it keeps, and what tasks send. */
export interface AccumulatorOps<T, S, V> {
  zero(): S;
  /** May change `sum` and return it. */
  add(sum: S, value: T): S;
  merge(a: S, b: S): S;
  value(sum: S): V;
}

/** How tasks get the same: what the engine has by name, the user's own as data. */
export type OpsReference =
  | { readonly kind: 'long' | 'double' | 'collection' }
  | { readonly kind: 'user'; readonly zero: Uint8Array; readonly add: ShippedFunction };

/** Sum and number of values. `high` takes over what a double could not hold exactly. */
export interface NumberSum {
  count: number;
  low: number;
  high: bigint;
}

const long: AccumulatorOps<number, NumberSum, number> = {
  zero: () => ({ count: 0, low: 0, high: 0n }),
  add(sum, value) {
    if (!Number.isSafeInteger(value))
      throw new TypeError(`a longAccumulator adds whole numbers, not ${inspect(value)}`);
    sum.count++;
    addExactly(sum, value);
    return sum;
  },
  merge(a, b) {
    a.count += b.count;
    a.high += b.high;
    addExactly(a, b.low);
    return a;
  },
  value: ({ low, high }) => (high === 0n ? low : Number(high + BigInt(low))),
};

function addExactly(sum: NumberSum, value: number): void {
  const low = sum.low + value;
  if (Number.isSafeInteger(low)) sum.low = low;
  else {
    sum.high += BigInt(sum.low) + BigInt(value);
    sum.low = 0;
  }
}

const double: AccumulatorOps<number, NumberSum, number> = {
  zero: long.zero,
  add(sum, value) {
    if (typeof value !== 'number') throw new TypeError(`a doubleAccumulator adds numbers, not ${inspect(value)}`);
    sum.count++;
    sum.low += value;
    return sum;
  },
  merge(a, b) {
    a.count += b.count;
    a.low += b.low;
    return a;
  },
  value: ({ low }) => low,
};

const collection: AccumulatorOps<unknown, unknown[], unknown[]> = {
  zero: () => [],
  add(list, value) {
    list.push(value);
    return list;
  },
  merge(a, b) {
    for (const value of b) a.push(value);
    return a;
  },
  value: (list) => list.slice(),
};

const OPS = { long, double, collection };

/** What the user gave, as ops. Each zero is a copy: `add` may change what it is given. */
function userOps(zero: Uint8Array, add: (sum: any, value: any) => any, merge: (a: any, b: any) => any) {
  const synchronous = (what: string, result: unknown) => {
    if (isPromise(result)) throw new TypeError(`the function ${what} of an accumulator must return its result at once`);
    return result;
  };
  return {
    zero: () => decodeCopy(zero),
    add: (sum, value) => synchronous('add', add(sum, value)),
    merge: (a, b) => synchronous('merge', merge(a, b)),
    value: (sum) => sum,
  } satisfies AccumulatorOps<any, any, any>;
}

/** In tasks, which never merge. */
export function opsOf(reference: OpsReference): AccumulatorOps<any, any, any> {
  if (reference.kind !== 'user') return OPS[reference.kind];
  return userOps(reference.zero, restoreFunction(reference.add) as (sum: any, value: any) => any, (a) => a);
}

/** For the driver: ops, and how tasks get them. @throws ClosureError when zero or function cannot travel */
export function shippedOps(
  zero: unknown,
  add: (sum: any, value: any) => any,
  merge: (a: any, b: any) => any,
  operator: string,
): { ops: AccumulatorOps<any, any, any>; reference: OpsReference } {
  const encoded = encodeValue(zero);
  const reference: OpsReference = { kind: 'user', zero: encoded, add: shipFunction(add, { operator }) };
  return { ops: userOps(encoded, add, merge), reference };
}
