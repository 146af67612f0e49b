import { type Data, DataType, type Schema } from 'apache-arrow';
import { encodeValue } from '../../executor/closure/index.js';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { Chunks } from '../chunks.js';
import { compareKeys } from '../keys.js';
import { keyedRandom, type Random } from '../random.js';
import { numberOf } from './accumulators.js';
import { batches } from './batches.js';
import { readerOf } from './column-reader.js';
import { plainType } from './join-schema.js';
import { isNumeric } from './schema-rules.js';

export interface SummariseParameters {
  /** Values of each column that stand for all, in quartiles. */
  readonly sample: number;
  readonly name: string;
}

/** Of one column of one partition. */
export interface PartColumn {
  readonly name: string;
  readonly type: string;
  readonly count: number;
  readonly nulls: number;
  /** Of number columns; NaN counts as a null there. */
  readonly numbers?: { readonly mean: number; readonly squares: number; readonly sample: readonly number[] };
  readonly min?: number | string | boolean;
  readonly max?: number | string | boolean;
}

/** Terminal of `describe`. */
export async function consume(chunks: Chunks, parameters: Json, _task: TaskContext, partition: number): Promise<Json> {
  const { sample, name } = parameters as unknown as SummariseParameters;
  let columns: ColumnSummariser[] | undefined;
  for await (const { schema, data } of batches(chunks, name)) {
    columns ??= summarisers(schema, sample, partition);
    for (const [k, column] of columns.entries()) column.add(data.children[k]!);
  }
  return encodeValue(columns?.map((column) => column.finish()) ?? []).toString('base64');
}

function summarisers(schema: Schema, sample: number, partition: number): ColumnSummariser[] {
  return schema.fields.map(({ name, type }, k) => {
    return new ColumnSummariser(name, type, sample, keyedRandom(0, 'describe', partition, k));
  });
}

class ColumnSummariser {
  #count = 0;
  #nulls = 0;
  #mean = 0;
  #squares = 0;
  #min: unknown;
  #max: unknown;
  readonly #sample: number[] = [];
  readonly #kind: 'number' | 'value' | 'other';

  constructor(
    readonly name: string,
    readonly type: DataType,
    readonly size: number,
    readonly random: Random,
  ) {
    const plain = plainType(type);
    if (isNumeric(type)) this.#kind = 'number';
    else this.#kind = DataType.isUtf8(plain) || DataType.isBool(plain) ? 'value' : 'other';
  }

  add(column: Data): void {
    const read = readerOf(column);
    for (let row = 0; row < column.length; row++) {
      const value = this.#kind === 'other' ? column.getValid(row) || null : read(row);
      if (value === null) this.#nulls++;
      else if (this.#kind === 'number') this.#number(numberOf(value, this.type));
      else {
        this.#count++;
        if (this.#kind === 'value') this.#widen(value);
      }
    }
  }

  finish(): PartColumn {
    const { name, type } = this;
    const common = { name, type: String(type), count: this.#count, nulls: this.#nulls };
    if (this.#kind === 'other' || this.#count === 0) return common;
    const ends = { min: this.#min as number, max: this.#max as number };
    if (this.#kind === 'value') return { ...common, ...ends };
    return { ...common, ...ends, numbers: { mean: this.#mean, squares: this.#squares, sample: this.#sample } };
  }

  #number(value: number): void {
    if (Number.isNaN(value)) {
      this.#nulls++;
      return;
    }
    const n = ++this.#count;
    const delta = value - this.#mean;
    this.#mean += delta / n;
    this.#squares += delta * (value - this.#mean);
    this.#widen(value);
    const place = n <= this.size ? n - 1 : Math.floor(this.random.uniform() * n);
    if (place < this.size) this.#sample[place] = value;
  }

  #widen(value: unknown): void {
    if (this.#min === undefined || compareKeys(value, this.#min) < 0) this.#min = value;
    if (this.#max === undefined || compareKeys(value, this.#max) > 0) this.#max = value;
  }
}
