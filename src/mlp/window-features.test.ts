import {
  Field,
  Float32,
  Float64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  tableFromArrays,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { CHANNEL_FEATURES, ChannelFeatures } from './channel-features.js';
import { featureNames, windowFeatures } from './window-features.js';

/** Numbers in [-1, 1) from a seed. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
}

/** A channel: offset + wave + noise, in float32. */
function signal(rows: number, seed: number, offset = 0): Float32Array {
  const random = noise(seed);
  return Float32Array.from({ length: rows }, (_, t) => offset + Math.sin(t / 7 + seed) + 0.3 * random());
}

/** Straight from the definitions. */
function reference(x: readonly number[]): number[] {
  const n = x.length;
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const deviation = (values: readonly number[]) => Math.sqrt(mean(values.map((v) => (v - mean(values)) ** 2)));
  const sorted = [...x].sort((a, b) => a - b);
  const quantile = (q: number) => {
    const rank = q * (n - 1);
    const low = Math.floor(rank);
    return sorted[low]! + (rank - low) * ((sorted[low + 1] ?? 0) - sorted[low]!) * (rank > low ? 1 : 0);
  };
  const steps = x.slice(1).map((value, t) => value - x[t]!);
  const above = x.map((value) => value > mean(x));
  const dft = Array.from({ length: 8 }, (_, k) => {
    const angle = (t: number) => (-2 * Math.PI * (k + 1) * t) / n;
    const re = x.reduce((sum, value, t) => sum + value * Math.cos(angle(t)), 0);
    const im = x.reduce((sum, value, t) => sum + value * Math.sin(angle(t)), 0);
    return Math.hypot(re, im) / n;
  });
  return [
    mean(x),
    deviation(x),
    sorted[0]!,
    sorted[n - 1]!,
    quantile(0.5),
    quantile(0.25),
    quantile(0.75),
    mean(steps.map(Math.abs)),
    deviation(steps),
    mean(x.map((value) => value * value)),
    above.slice(1).filter((side, t) => side !== above[t]).length / (n - 1),
    ...dft,
  ];
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, k) => {
    expect(Math.abs(actual[k]! - value), CHANNEL_FEATURES[k % 19]).toBeLessThan(1e-6 * Math.max(1, Math.abs(value)));
  });
}

function compute(values: Float32Array | Float64Array): Float32Array {
  const out = new Float32Array(CHANNEL_FEATURES.length);
  expect(new ChannelFeatures(values.length).write(values, 0, out, 0)).toBe(true);
  return out;
}

const featureValues = (batch: RecordBatch) => batch.data.children[0]!.children[0]!.values as Float32Array;
const rowsOf = (batch: RecordBatch) => batch.toArray().map((row) => row!.toJSON());

describe('features of a channel', () => {
  it.each([16, 17, 18, 19, 50, 127, 128, 300])('agree with their definitions for windows of %i', (size) => {
    for (let seed = 1; seed <= 20; seed++) {
      const values = signal(size, seed, seed % 3 === 0 ? 100 : 0);
      expectClose(compute(values), reference([...values]));
    }
  });

  it.each([
    ['equal values', Array(32).fill(3.5)],
    ['zeros', Array(32).fill(0)],
    ['two values', Array.from({ length: 32 }, (_, t) => t % 2)],
    ['one spike', Array.from({ length: 32 }, (_, t) => (t === 5 ? 1e6 : t / 1e3))],
    ['rising', Array.from({ length: 32 }, (_, t) => t)],
    ['falling', Array.from({ length: 32 }, (_, t) => -t)],
    ['hardly different', Array.from({ length: 32 }, (_, t) => (t % 3) * Number.MIN_VALUE)],
  ])('hold for %s', (_, values) => {
    expectClose(compute(Float64Array.from(values)), reference(values));
  });

  it('give a pure wave all its amplitude in its own coefficient', () => {
    const out = compute(Float64Array.from({ length: 128 }, (_, t) => 5 + 2 * Math.cos((2 * Math.PI * 3 * t) / 128)));
    const amplitudes = [...out.subarray(11)];
    expect(amplitudes[2]).toBeCloseTo(1, 6);
    expect(amplitudes.filter((_, k) => k !== 2).every((a) => a < 1e-6)).toBe(true);
  });
});

describe('windowFeatures', () => {
  const recording = (rows: number, seed: number) =>
    tableFromArrays({ x: signal(rows, seed), y: signal(rows, seed + 100), person: new Int32Array(rows).fill(seed) })
      .batches[0]!;

  it('computes every channel of every window', () => {
    const batch = recording(300, 1);
    const windows = windowFeatures(batch, { size: 128, step: 64, channels: ['x', 'y'], keep: ['person'] });
    expect(windows.numRows).toBe(3);
    const x = [...signal(300, 1)];
    const y = [...signal(300, 101)];
    const expected = [0, 64, 128].flatMap((at) => [
      ...reference(x.slice(at, at + 128)),
      ...reference(y.slice(at, at + 128)),
    ]);
    expectClose(featureValues(windows), expected);
    expect(windows.schema.fields.map((field) => `${field.name}: ${field.type}`)).toEqual([
      'features: FixedSizeList[38]<Float32>',
      'person: Int32',
    ]);
    expect(rowsOf(windows).map((row) => row.person)).toEqual([1, 1, 1]);
  });

  it('gives a window the same bits wherever its batch begins', () => {
    const whole = recording(64 * 9 + 128, 3);
    const options = { channels: ['x', 'y'] };
    const all = featureValues(windowFeatures(whole, options));
    for (const first of [1, 4, 7]) {
      const part = featureValues(windowFeatures(whole.slice(first * 64, first * 64 + 256), options));
      expect(part).toEqual(all.slice(first * 38, first * 38 + part.length));
    }
  });

  it('never spans two recordings', () => {
    const rows = 100 + 40 + 130;
    const person = new Int32Array(rows).fill(1, 0, 100).fill(2, 100, 140).fill(3, 140);
    const activity = Array.from({ length: rows }, (_, row) => (row < 200 ? 'walk' : 'sit'));
    const table = tableFromArrays({ x: signal(rows, 5), person });
    const batch = withColumn(table.batches[0]!, 'activity', activity);
    const windows = windowFeatures(batch, { size: 50, step: 25, channels: ['x'], keep: ['person', 'activity'] });
    expect(rowsOf(windows).map((row) => [row.person, row.activity])).toEqual([
      [1, 'walk'],
      [1, 'walk'],
      [1, 'walk'],
      [3, 'walk'],
      [3, 'sit'],
    ]);
    const x = [...signal(rows, 5)];
    expectClose(featureValues(windows).subarray(4 * 19, 5 * 19), reference(x.slice(200, 250)));
  });

  it('gives no rows for a recording shorter than a window, and for none', () => {
    for (const rows of [0, 1, 127]) {
      const windows = windowFeatures(recording(rows, 1), { channels: ['x'], keep: ['person'] });
      expect([windows.numRows, windows.schema.fields.length]).toEqual([0, 2]);
    }
    expect(windowFeatures(recording(128, 1), { channels: ['x'] }).numRows).toBe(1);
  });

  it('stops at a missing value, or leaves out its windows', () => {
    const values: (number | null)[] = [...signal(200, 1)];
    values[70] = null;
    const x = vectorFromArray(values, new Float64());
    const y = Float32Array.from(signal(200, 2));
    y[199] = Number.NaN;
    const batch = batchOf({ x: x.data[0]!, y: makeData({ type: new Float32(), data: y }) });
    const options = { size: 32, step: 32, channels: ['x', 'y'] };
    expect(() => windowFeatures(batch, options)).toThrow(
      'column "x" holds no finite number somewhere in rows 64 to 95',
    );
    expect(windowFeatures(batch, { ...options, missing: 'drop' }).numRows).toBe(5);
    expect(() => windowFeatures(batch, { ...options, size: 200, step: 1, channels: ['y'] })).toThrow('"y"');
  });

  it('says what is wrong with its arguments', () => {
    const batch = withColumn(recording(128, 1), 'note', Array(128).fill('a'));
    expect(() => windowFeatures(batch, { channels: ['z'] })).toThrow('no column "z" in the batch; it has "x", "y"');
    expect(() => windowFeatures(batch, { channels: ['x'], keep: ['who'] })).toThrow('no column "who"');
    expect(() => windowFeatures(batch, { channels: ['note'] })).toThrow('not a numeric column');
    expect(() => windowFeatures(batch, { channels: ['x'], size: 8 })).toThrow('at least 16 rows');
    expect(() => windowFeatures(batch, { channels: ['x'], step: 0 })).toThrow('at least 1 row');
    expect(() => windowFeatures(batch, { channels: [] })).toThrow('at least one channel');
  });

  it('names its values channel by channel', () => {
    const names = featureNames({ channels: ['x', 'y'] });
    expect([names.length, names[0], names[18], names[19]]).toEqual([38, 'x.mean', 'x.dft8', 'y.mean']);
  });
});

function batchOf(columns: Record<string, ReturnType<typeof makeData>>): RecordBatch {
  const fields = Object.entries(columns).map(([name, data]) => new Field(name, data.type, true));
  const children = Object.values(columns);
  const length = children[0]!.length;
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}

function withColumn(batch: RecordBatch, name: string, values: string[]): RecordBatch {
  const present = Object.fromEntries(batch.schema.fields.map((field, k) => [field.name, batch.data.children[k]!]));
  return batchOf({ ...present, [name]: vectorFromArray(values, new Utf8()).data[0]! } as any);
}
