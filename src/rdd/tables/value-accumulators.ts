import { type Data, Field, Float64, List, makeData } from 'apache-arrow';
import { takeColumn } from '../take-rows.js';
import type { Accumulator } from './accumulators.js';
import { readerOf } from './column-reader.js';
import { concatColumns } from './concat.js';
import { KeyTable } from './key-table.js';

/** One of each group's values, of any type: what was chosen is kept as columns. */
export class Picked implements Accumulator {
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
export class Distinct implements Accumulator {
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
    return makeData({ type: new Float64(), length: groups, nullCount: 0, data: counts });
  }
}

const GROUP = new Float64();
