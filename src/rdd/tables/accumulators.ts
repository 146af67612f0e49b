import { type Data, DataType, Field, Float64, List, makeData } from 'apache-arrow';
import { compareKeys } from '../keys.js';
import { takeColumn } from '../take-rows.js';
import type { AggregateKind } from './aggregates.js';
import { isTyped, readerOf } from './column-reader.js';
import { concatColumns } from './concat.js';
import { KeyTable } from './key-table.js';

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

/** One of each group's values, of any type: what was chosen is kept as columns. */
class Picked implements Accumulator {
  readonly #values: unknown[] = [];
  readonly #at: number[] = [];
  #pieces: Data[] = [];
  #rows = 0;

  /** @param better whether a value takes the place of the one before */
  constructor(readonly better: (value: unknown, chosen: unknown) => boolean) {}

  update(ids: Int32Array, groups: number, column: Data | undefined): void {
    const chosen = new Map<number, number>();
    const read = readerOf(column!);
    const values = this.#values;
    for (let row = 0; row < ids.length; row++) {
      const value = read(row);
      if (value === null || value === undefined) continue;
      const id = ids[row]!;
      if (values[id] !== undefined && !this.better(value, values[id])) continue;
      values[id] = value;
      chosen.set(id, row);
    }
    if (this.#pieces.length === 0) this.#pieces.push(column!.slice(0, 0));
    if (chosen.size === 0) return;
    for (const id of chosen.keys()) this.#at[id] = this.#rows++;
    this.#pieces.push(takeColumn(column!, [...chosen.values()]));
    if (this.#rows > 4 * groups) this.#compact(groups);
  }

  merge(ids: Int32Array, groups: number, [states]: readonly Data[]): void {
    this.update(ids, groups, states);
  }

  state(groups: number): Data[] {
    const rows = Array.from({ length: groups }, (_, id) => this.#at[id] ?? -1);
    return [takeColumn(concatColumns(this.#pieces), rows, rows.includes(-1))];
  }

  result(groups: number): Data {
    return this.state(groups)[0]!;
  }

  /** Lets go of what is chosen no more. */
  #compact(groups: number): void {
    const [kept] = this.state(groups);
    this.#pieces = [kept!];
    this.#rows = groups;
    for (let id = 0; id < groups; id++) if (this.#at[id] !== undefined) this.#at[id] = id;
  }
}

/** The different values of each group: a list a group on the way. */
class Distinct implements Accumulator {
  /** Of pairs of group and value. */
  readonly #pairs = new KeyTable(2);
  readonly #groups: number[] = [];
  readonly #pieces: Data[] = [];

  update(ids: Int32Array, _groups: number, column: Data | undefined): void {
    const groups = makeData({ type: GROUP, length: ids.length, nullCount: 0, data: Float64Array.from(ids) });
    const pairs = this.#pairs.add([groups, column!], ids.length);
    const fresh: number[] = [];
    // Numbers are given in the order in which pairs come: a pair is new in the row that has the next one.
    for (let row = 0, next = this.#groups.length; row < ids.length; row++) {
      if (pairs[row] !== next) continue;
      next++;
      this.#groups.push(ids[row]!);
      fresh.push(row);
    }
    if (fresh.length > 0 || this.#pieces.length === 0) this.#pieces.push(takeColumn(column!, fresh));
  }

  merge(ids: Int32Array, groups: number, [states]: readonly Data[]): void {
    const { valueOffsets, children } = states!;
    const from = valueOffsets[0]!;
    const repeated = new Int32Array(valueOffsets[ids.length]! - from);
    for (let row = 0; row < ids.length; row++)
      repeated.fill(ids[row]!, valueOffsets[row]! - from, valueOffsets[row + 1]! - from);
    this.update(repeated, groups, children[0]!.slice(from, repeated.length));
  }

  state(groups: number): Data[] {
    const valueOffsets = new Int32Array(groups + 1);
    for (const id of this.#groups) valueOffsets[id + 1]!++;
    for (let id = 0; id < groups; id++) valueOffsets[id + 1]! += valueOffsets[id]!;
    const next = valueOffsets.slice();
    const rows = new Int32Array(this.#groups.length);
    for (const [row, id] of this.#groups.entries()) rows[next[id]!++] = row;
    const child = takeColumn(concatColumns(this.#pieces), rows);
    const type = new List(new Field('item', child.type, true));
    return [makeData({ type, length: groups, nullCount: 0, valueOffsets, child } as never)];
  }

  result(groups: number): Data {
    const counts = new Float64Array(groups);
    const values = concatColumns(this.#pieces);
    for (const [row, id] of this.#groups.entries()) if (values.getValid(row)) counts[id]!++;
    return float64(counts, groups);
  }
}

const GROUP = new Float64();
