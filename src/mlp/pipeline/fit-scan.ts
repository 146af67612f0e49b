import { DataType, type RecordBatch } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { type Chunks, isBatch } from '../../rdd/chunks.js';
import { userError } from '../../rdd/operator-failure.js';
import { packPayload } from '../../rdd/payload.js';
import { listValues, listWidth, noColumn, requireFinite } from '../columns.js';

/**
 * What is to be learnt of a column: how often each value occurs, or the least and greatest of each feature. `classes`: as `values`, but
 * that a column is missing, or holds lists, is an answer.
 */
export interface ScanParameters {
  readonly scan: 'values' | 'classes' | 'ranges';
  readonly column: string;
}

/** Values as text, with their counts; nulls apart. */
export interface ValueCounts {
  readonly counts: Map<string, number>;
  readonly nulls: number;
  /** Of `classes`: the column holds none, one a row. */
  readonly none?: boolean;
}

/** Of each feature; empty while there is no row. */
export interface Ranges {
  readonly least: Float64Array;
  readonly greatest: Float64Array;
}

/** An index of this many entries no longer is one of categories. */
const MAX_VALUES = 1_000_000;

let scans = 0;

/** One job over the table: what each partition found. */
export async function scanTable<T extends ValueCounts | Ranges>(
  table: ArrowRDD,
  scan: ScanParameters,
  name: string,
): Promise<T[]> {
  const { context } = table;
  const scope = `${context.app}/scan-${scans++}`;
  const terminal = { kind: 'module', module: 'mlp/pipeline/fit-scan', parameters: { ...scan, scope } } as const;
  try {
    return await context.runJob({ top: table.node, terminal, name }, (answer) => context.readValue<T>(answer));
  } finally {
    context.dag.release(scope);
  }
}

/** Terminal of the scan. */
export async function consume(
  chunks: Chunks,
  parameters: Json,
  context: TaskContext,
  partition: number,
): Promise<Json> {
  const { scan, column, scope } = parameters as unknown as ScanParameters & { readonly scope: string };
  const scanner = scan === 'ranges' ? new RangeScanner(column) : new ValueScanner(column, scan === 'classes');
  for await (const chunk of chunks) if (isBatch(chunk) && chunk.numRows > 0) scanner.add(chunk);
  return packPayload(scanner.found, `scan:${partition}`, scope, context);
}

const isNested = (type: DataType) => DataType.isList(type) || DataType.isFixedSizeList(type) || DataType.isStruct(type);

class ValueScanner {
  readonly found = { counts: new Map<string, number>(), nulls: 0, none: false };

  constructor(
    readonly column: string,
    readonly lenient: boolean,
  ) {}

  add(batch: RecordBatch): void {
    const { counts } = this.found;
    const vector = batch.getChild(this.column);
    if (this.lenient && (!vector || isNested(vector.type))) {
      this.found.none = true;
      return;
    }
    if (!vector) throw noColumn(batch, this.column);
    const type = vector.type as DataType;
    if (isNested(type))
      throw userError(`column "${this.column}" holds ${type}; categories are texts, numbers or booleans`);
    for (let row = 0; row < batch.numRows; row++) {
      const value = vector.get(row);
      if (value === null || Number.isNaN(value)) this.found.nulls++;
      else counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
    }
    if (counts.size > MAX_VALUES)
      throw userError(`column "${this.column}" holds more than ${MAX_VALUES} different values: too many for an index`);
  }
}

class RangeScanner {
  found: Ranges = { least: new Float64Array(0), greatest: new Float64Array(0) };
  #rows = 0;

  constructor(readonly column: string) {}

  add(batch: RecordBatch): void {
    const width = listWidth(batch, this.column);
    requireFinite(batch, this.column, this.#rows);
    if (this.#rows === 0)
      this.found = {
        least: new Float64Array(width).fill(Number.POSITIVE_INFINITY),
        greatest: new Float64Array(width).fill(Number.NEGATIVE_INFINITY),
      };
    const values = listValues(batch, this.column, this.found.least.length);
    const { least, greatest } = this.found;
    for (let i = 0; i < values.length; i++) {
      const k = i % width;
      if (values[i]! < least[k]!) least[k] = values[i]!;
      if (values[i]! > greatest[k]!) greatest[k] = values[i]!;
    }
    this.#rows += batch.numRows;
  }
}
