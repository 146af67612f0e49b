import { type Data, DataType, Float64, makeData } from 'apache-arrow';
import { compareKeys } from '../keys.js';
import type { AggregateKind } from './aggregates.js';
import { isTyped, readerOf } from './column-reader.js';
import { Distinct, Picked } from './value-accumulators.js';

/** One aggregate of all groups, a typed column or more; a group's number is its row. */
export interface Accumulator {
  /** Takes rows of the table. @param ids group of each row @param groups number of groups @param column of the aggregate, undefined: of rows */
  update(ids: Int32Array, groups: number, column: Data | undefined): void;
  /** Takes what other partitions' `state` gave. @param ids group of each row of the states */
  merge(ids: Int32Array, groups: number, states: readonly Data[]): void;
  /** One row a group; types as `stateTypes`. */
  state(groups: number): Data[];
  result(groups: number): Data;
}

export function accumulatorOf(aggregate: AggregateKind, type: DataType | undefined): Accumulator {
  switch (aggregate) {
    case 'count':
      return new Count();
    case 'sum':
      return new Moments(1, (n, sum) => (n === 0 ? null : sum));
    case 'mean':
      return new Moments(1, (n, sum) => (n === 0 ? null : sum / n));
    case 'variance':
      return new Moments(2, (n, _, squares) => (n < 2 ? null : squares / (n - 1)));
    case 'stdev':
      return new Moments(2, (n, _, squares) => (n < 2 ? null : Math.sqrt(squares / (n - 1))));
    case 'countDistinct':
      return new Distinct();
    case 'first':
      return new Picked(() => false);
    case 'last':
      return new Picked(() => true);
    case 'min':
      return type && isTyped(type) ? new Extreme(1) : new Picked((value, best) => compareKeys(value, best) < 0);
    case 'max':
      return type && isTyped(type) ? new Extreme(-1) : new Picked((value, best) => compareKeys(value, best) > 0);
  }
}

function grown<A extends Float64Array | Uint8Array>(values: A, length: number): A {
  if (values.length >= length) return values;
  const { constructor: Values } = values as { constructor: unknown };
  const larger = new (Values as new (length: number) => A)(Math.max(2 * values.length, length, 64));
  larger.set(values);
  return larger;
}

function float64(values: Float64Array, length: number): Data {
  return makeData({ type: new Float64(), length, nullCount: 0, data: values.slice(0, length) });
}

const numbersOf = (column: Data) => column.values as Float64Array;

class Count implements Accumulator {
  #counts = new Float64Array(0);

  update(ids: Int32Array, groups: number, column: Data | undefined): void {
    const counts = grown(this.#counts, groups);
    this.#counts = counts;
    if (!column || column.nullCount === 0) for (let row = 0; row < ids.length; row++) counts[ids[row]!]!++;
    else for (let row = 0; row < ids.length; row++) if (column.getValid(row)) counts[ids[row]!]!++;
  }

  merge(ids: Int32Array, groups: number, [states]: readonly Data[]): void {
    this.#counts = grown(this.#counts, groups);
    const add = numbersOf(states!);
    for (let row = 0; row < ids.length; row++) this.#counts[ids[row]!]! += add[row]!;
  }

  state(groups: number): Data[] {
    return [float64(grown(this.#counts, groups), groups)];
  }

  result(groups: number): Data {
    return this.state(groups)[0]!;
  }
}

/** Count and sum; or count, mean and sum of squared differences from it (Welford 1962; merged as Chan, Golub, LeVeque 1979). */
class Moments implements Accumulator {
  #counts = new Float64Array(0);
  #first = new Float64Array(0);
  #second = new Float64Array(0);

  constructor(
    readonly order: 1 | 2,
    readonly finish: (count: number, first: number, second: number) => number | null,
  ) {}

  update(ids: Int32Array, groups: number, column: Data | undefined): void {
    this.#grow(groups);
    const read = isTyped(column!.type) ? undefined : readerOf(column!);
    const values = column!.values as Float64Array;
    const { nullCount } = column!;
    for (let row = 0; row < ids.length; row++) {
      if (nullCount > 0 && !column!.getValid(row)) continue;
      const value = read ? numberOf(read(row), column!.type) : values[row]!;
      if (this.order === 1) this.#add(ids[row]!, value);
      else this.#addSquare(ids[row]!, value);
    }
  }

  merge(ids: Int32Array, groups: number, states: readonly Data[]): void {
    this.#grow(groups);
    const [counts, first, second] = states.map(numbersOf);
    for (let row = 0; row < ids.length; row++) {
      const id = ids[row]!;
      const n = counts![row]!;
      if (n === 0) continue;
      const all = this.#counts[id]! + n;
      if (this.order === 1) this.#first[id]! += first![row]!;
      else {
        const delta = first![row]! - this.#first[id]!;
        this.#second[id]! += second![row]! + (delta * delta * this.#counts[id]! * n) / all;
        this.#first[id]! += (delta * n) / all;
      }
      this.#counts[id] = all;
    }
  }

  state(groups: number): Data[] {
    this.#grow(groups);
    const columns = [this.#counts, this.#first, ...(this.order === 2 ? [this.#second] : [])];
    return columns.map((column) => float64(column, groups));
  }

  result(groups: number): Data {
    this.#grow(groups);
    const data = new Float64Array(groups);
    const nullBitmap = new Uint8Array((groups + 7) >> 3);
    let nullCount = 0;
    for (let id = 0; id < groups; id++) {
      const value = this.finish(this.#counts[id]!, this.#first[id]!, this.#second[id]!);
      if (value === null) nullCount++;
      else {
        data[id] = value;
        nullBitmap[id >> 3]! |= 1 << (id & 7);
      }
    }
    return makeData({ type: new Float64(), length: groups, nullCount, nullBitmap, data });
  }

  #add(id: number, value: number): void {
    this.#counts[id]!++;
    this.#first[id]! += value;
  }

  #addSquare(id: number, value: number): void {
    const n = ++this.#counts[id]!;
    const delta = value - this.#first[id]!;
    this.#first[id]! += delta / n;
    this.#second[id]! += delta * (value - this.#first[id]!);
  }

  #grow(groups: number): void {
    this.#counts = grown(this.#counts, groups);
    this.#first = grown(this.#first, groups);
    if (this.order === 2) this.#second = grown(this.#second, groups);
  }
}

/** Of integers of 64 bits, booleans and decimals (two's complement in 32-bit words, lowest first, times 10^scale). */
export function numberOf(value: unknown, type: DataType): number {
  if (!DataType.isDecimal(type)) return Number(value);
  const words = Array.from(value as Uint32Array);
  const bits = words.reduceRight((all, word) => (all << 32n) | BigInt(word), 0n);
  return Number(BigInt.asIntN(type.bitWidth, bits)) / 10 ** type.scale;
}

/** Least (sign 1) or greatest (-1) of a number column, NaN counting as the greatest number. */
class Extreme implements Accumulator {
  #best = new Float64Array(0);
  #known = new Uint8Array(0);
  #type: DataType | undefined;

  constructor(readonly sign: 1 | -1) {}

  update(ids: Int32Array, groups: number, column: Data | undefined): void {
    this.#best = grown(this.#best, groups);
    this.#known = grown(this.#known, groups);
    this.#type ??= column!.type;
    const [best, known, { sign }] = [this.#best, this.#known, this];
    const values = numbersOf(column!);
    const { nullCount } = column!;
    for (let row = 0; row < ids.length; row++) {
      if (nullCount > 0 && !column!.getValid(row)) continue;
      const id = ids[row]!;
      const value = values[row]!;
      if (known[id] === 1 && !before(value, best[id]!, sign)) continue;
      best[id] = value;
      known[id] = 1;
    }
  }

  merge(ids: Int32Array, groups: number, [states]: readonly Data[]): void {
    this.update(ids, groups, states);
  }

  state(groups: number): Data[] {
    const type = this.#type!;
    const { ArrayType } = type as unknown as { ArrayType: new (length: number) => Float64Array };
    const data = new ArrayType(groups);
    const nullBitmap = new Uint8Array((groups + 7) >> 3);
    let nullCount = 0;
    for (let id = 0; id < groups; id++) {
      if (!this.#known[id]) nullCount++;
      else {
        data[id] = this.#best[id]!;
        nullBitmap[id >> 3]! |= 1 << (id & 7);
      }
    }
    return [makeData({ type, length: groups, nullCount, nullBitmap, data } as never)];
  }

  result(groups: number): Data {
    return this.state(groups)[0]!;
  }
}

function before(value: number, best: number, sign: number): boolean {
  if (Number.isNaN(value)) return sign < 0 && !Number.isNaN(best);
  if (Number.isNaN(best)) return sign > 0;
  return sign > 0 ? value < best : value > best;
}
