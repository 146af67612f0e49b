import { type Data, DataType, makeData, RecordBatch, Schema, Struct, Vector } from 'apache-arrow';
import { listColumn } from '../rdd/list-column.js';
import { takeColumn } from '../rdd/take-rows.js';
import { CHANNEL_FEATURES, ChannelFeatures, type NumericArray, SMALLEST_WINDOW } from './channel-features.js';

export interface WindowOptions {
  /** Rows of a window, at least 16. Default 128. */
  readonly size?: number;
  /** Rows from one window's start to the next. Default 64. */
  readonly step?: number;
  /** Numeric columns to compute features of. */
  readonly channels: readonly string[];
  /** Columns that tell recordings apart (person, activity, trial) and are copied to the windows. Default none. */
  readonly keep?: readonly string[];
  /** What to do with a window that holds a null, NaN or infinite value. Default `error`. */
  readonly missing?: 'error' | 'drop';
}

/**
 * Cuts a batch of sensor rows into windows and computes 19 features of each channel: a batch of `features`, a fixed-size
 * list of 19 x channels float32 (channel by channel, see `featureNames`), and the kept columns.
 *
 * A window never spans two recordings, that is, a change in any kept column; the windows of a recording start at its
 * first row, and a recording shorter than a window gives none. A batch has to hold whole recordings (`batch: 'file'`).
 * @throws RangeError for a window that makes no sense; Error naming a column that is missing or not numeric, or the row of a missing value
 * @example sensors.mapBatches((batch) => windowFeatures(batch, { channels: ['x', 'y', 'z'], keep: ['person', 'activity'] }))
 */
export function windowFeatures(batch: RecordBatch, options: WindowOptions): RecordBatch {
  const { size = 128, step = 64, channels, keep = [], missing = 'error' } = options;
  if (!Number.isInteger(size) || size < SMALLEST_WINDOW)
    throw new RangeError(`a window needs at least ${SMALLEST_WINDOW} rows, not ${size}`);
  if (!Number.isInteger(step) || step < 1) throw new RangeError(`step must be at least 1 row, not ${step}`);
  if (channels.length === 0) throw new RangeError('windowFeatures needs at least one channel');
  const values = channels.map((name) => channelValues(batch, name));
  const kept = keep.map((name) => column(batch, name));

  const starts = windowStarts(batch.numRows, kept, size, step);
  const width = channels.length * CHANNEL_FEATURES.length;
  const features = new Float32Array(starts.length * width);
  const kernel = new ChannelFeatures(size);
  const used: number[] = [];
  for (const start of starts) {
    const bad = writeWindow(kernel, values, start, features, used.length * width);
    if (bad < 0) used.push(start);
    else if (missing === 'error')
      throw new Error(
        `column "${channels[bad]}" holds no finite number somewhere in rows ${start} to ${start + size - 1} of the batch${recording(keep, kept, start)}; ` +
          `fill such gaps first, or leave out their windows with missing: 'drop'`,
      );
  }
  return toBatch(features.subarray(0, used.length * width), used, batch, keep, kept, width);
}

/** Names of the values of a `features` row: `<channel>.<feature>`. */
export function featureNames({ channels }: Pick<WindowOptions, 'channels'>): string[] {
  return channels.flatMap((channel) => CHANNEL_FEATURES.map((feature) => `${channel}.${feature}`));
}

/** What tells the recording of a row from others, for messages: ` (person 3, activity walk)`. */
function recording(keep: readonly string[], kept: readonly Data[], row: number): string {
  const parts = keep.map((name, k) => `${name} ${new Vector([kept[k]!]).get(row)}`);
  return parts.length > 0 ? ` (${parts.join(', ')})` : '';
}

/** @returns the first channel whose window is not finite, or -1 */
function writeWindow(
  kernel: ChannelFeatures,
  values: readonly NumericArray[],
  start: number,
  out: Float32Array,
  at: number,
): number {
  for (let channel = 0; channel < values.length; channel++)
    if (!kernel.write(values[channel]!, start, out, at + channel * CHANNEL_FEATURES.length)) return channel;
  return -1;
}

function column(batch: RecordBatch, name: string): Data {
  const index = batch.schema.fields.findIndex((field) => field.name === name);
  if (index >= 0) return batch.data.children[index]!;
  const present = batch.schema.fields.map((field) => `"${field.name}"`).join(', ');
  throw new Error(`there is no column "${name}" in the batch; it has ${present || 'none'}`);
}

/** The column's values, NaN where it is null. */
function channelValues(batch: RecordBatch, name: string): NumericArray {
  const data = column(batch, name);
  const numeric =
    (DataType.isFloat(data.type) && data.type.precision > 0) || (DataType.isInt(data.type) && data.type.bitWidth < 64);
  if (!numeric) throw new Error(`column "${name}" is ${data.type}, not a numeric column of at most 32 bits or float64`);
  if (data.nullCount === 0) return data.values as NumericArray;
  return Float64Array.from(new Vector([data]), (value) => value ?? Number.NaN);
}

/** First rows of the windows: of each stretch of rows that agree in all kept columns, every `step` rows. */
function windowStarts(rows: number, kept: readonly Data[], size: number, step: number): number[] {
  const ends = [...new Set(kept.flatMap(changes)).add(rows)].sort((a, b) => a - b);
  const starts: number[] = [];
  let from = 0;
  for (const to of ends) {
    for (let start = from; start + size <= to; start += step) starts.push(start);
    from = to;
  }
  return starts;
}

/** Rows whose value differs from the row before. */
function changes(data: Data): number[] {
  const rows: number[] = [];
  if (data.nullCount === 0 && (DataType.isDictionary(data.type) || DataType.isInt(data.type))) {
    const values = data.values;
    for (let row = 1; row < data.length; row++) if (values[row] !== values[row - 1]) rows.push(row);
    return rows;
  }
  const vector = new Vector([data]);
  let last = vector.get(0);
  for (let row = 1; row < data.length; row++) {
    const value = vector.get(row);
    if (value !== last) rows.push(row);
    last = value;
  }
  return rows;
}

function toBatch(
  features: Float32Array,
  rows: readonly number[],
  batch: RecordBatch,
  keep: readonly string[],
  kept: readonly Data[],
  width: number,
): RecordBatch {
  const length = rows.length;
  const list = listColumn('features', features, width);
  const fields = [list.field, ...keep.map((name) => batch.schema.fields.find((field) => field.name === name)!)];
  const children = [list.data, ...kept.map((data) => takeColumn(data, rows))];
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}
