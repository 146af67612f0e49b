import { inspect } from 'node:util';
import { decodeValue } from '../../executor/closure/index.js';
import type { Partitioner } from '../../scheduler/shuffle-spec.js';
import { compareKeys, hashKey } from '../keys.js';
import { isPromise, refusePromise, userError } from '../operator-failure.js';

/** Which reduce partition a key belongs to. */
export type Place = (key: unknown) => number;

/** @param fn of a `function` partitioner @param name for errors @throws FailureError from a place, for a key that has none */
export function placeOf(
  partitioner: Partitioner,
  partitions: number,
  name: string,
  fn?: (key: any) => number,
): Place | undefined {
  if (partitioner.kind === 'hash') return hashPlace(partitions);
  if (partitioner.kind === 'range') {
    const bounds = decodeValue(partitioner.bounds) as unknown[];
    return rangePlace(bounds, partitioner.descending ? partitions - 1 : undefined);
  }
  return partitioner.kind === 'function' ? checkedPlace(fn!, partitions, name) : undefined;
}

/** By the hash's high bits; `cutByHash` takes lower ones. */
function hashPlace(partitions: number): Place {
  const share = partitions / 2 ** 32;
  return (key) => Math.floor((hashKey(key) >>> 0) * share);
}

/** The number of bounds below the key. @param mirror the last partition, when the greatest keys come first */
function rangePlace(bounds: readonly unknown[], mirror: number | undefined): Place {
  const numbers = bounds.every((bound) => typeof bound === 'number' && !Number.isNaN(bound))
    ? Float64Array.from(bounds as number[])
    : undefined;
  return (key) => {
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const below =
        numbers && typeof key === 'number' && !Number.isNaN(key)
          ? numbers[middle]! < key
          : compareKeys(bounds[middle], key) < 0;
      if (below) low = middle + 1;
      else high = middle;
    }
    return mirror === undefined ? low : mirror - low;
  };
}

function checkedPlace(fn: (key: any) => number, partitions: number, name: string): Place {
  return (key) => {
    const place = fn(key);
    if (Number.isInteger(place) && place >= 0 && place < partitions) return place;
    if (isPromise(place)) refusePromise(name);
    throw userError(
      `the partitioner of ${name} must answer with a whole number from 0 to ${partitions - 1}, and gave ${inspect(place)} for the key ${inspect(key, { depth: 1 })}`,
    );
  };
}
