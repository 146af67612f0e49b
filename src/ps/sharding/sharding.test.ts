import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Range } from '../optimizer/range-optimizer.js';
import { CHUNK } from '../slices.js';
import { alignCuts, type Placement, placementReport, placementText, rangesOf } from './placement.js';
import { placeShards, type ShardingSpec } from './strategies.js';

const layersOf = (sizes: readonly number[]): Range[] => {
  let from = 0;
  return sizes.map((size) => {
    from += size;
    return { from: from - size, to: from };
  });
};
const dense = (...widths: number[]) => layersOf(widths.slice(1).map((out, i) => (widths[i]! + 1) * out));
const convolution = (inputs: number, outputs: number) => 9 * inputs * outputs + outputs;

const FED_AVG_2NN = dense(784, 200, 200, 10);
const ANN_BENCHMARK = dense(784, 2500, 2000, 1500, 1000, 500, 10);
const DIST_BELIEF = dense(440, 2560, 2560, 2560, 2560, 8192);
const VGG_16 = layersOf([
  ...[convolution(3, 64), convolution(64, 64), convolution(64, 128), convolution(128, 128)],
  ...[convolution(128, 256), convolution(256, 256), convolution(256, 256)],
  ...[convolution(256, 512), convolution(512, 512), convolution(512, 512)],
  ...[convolution(512, 512), convolution(512, 512), convolution(512, 512)],
  ...[25088 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * 1000 + 1000],
]);

const SPECS: ShardingSpec[] = [
  { kind: 'even' },
  { kind: 'round-robin' },
  { kind: 'greedy' },
  { kind: 'greedy', sorted: true },
  { kind: 'split-large' },
  { kind: 'split-large', bound: 5000 },
  { kind: 'chunks' },
  { kind: 'chunks', bytes: 20_000 },
  { kind: 'ring' },
  { kind: 'ring', virtual: 3 },
];

function expectCover(placement: Placement, length: number, servers: number): void {
  let at = 0;
  for (const { from, to, server } of placement) {
    expect(from).toBe(at);
    expect(to).toBeGreaterThan(from);
    expect(server).toBeGreaterThanOrEqual(0);
    expect(server).toBeLessThan(servers);
    at = to;
  }
  expect(at).toBe(length);
}

describe('placeShards', () => {
  it('covers theta once, by every strategy, exactly and with aligned cuts', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 9 }), fc.constantFrom(...SPECS), (all, servers, spec) => {
        const layers = layersOf(all);
        const length = layers.at(-1)!.to;
        const placement = placeShards(spec, layers, servers);
        expectCover(placement, length, servers);
        const aligned = alignCuts(placement, CHUNK);
        expectCover(aligned, length, servers);
        for (const { from } of aligned) expect(from % CHUNK).toBe(0);
      }),
      { seed: 1 },
    );
  });

  it.each([
    ['VGG-16', VGG_16, 1.35],
    ['the ann-benchmark perceptron', ANN_BENCHMARK, 2.39],
    ["FedAvg's 2NN", FED_AVG_2NN, 1.27],
    ["DistBelief's speech perceptron", DIST_BELIEF, 1.99],
  ])('by whole layers is bounded by the largest one, as published: %s', (_, layers, bound) => {
    const total = layers.at(-1)!.to;
    const largest = Math.max(...layers.map(({ from, to }) => to - from));
    expect(total / largest).toBeCloseTo(bound, 2);
    for (const spec of [{ kind: 'greedy' }, { kind: 'greedy', sorted: true }] as const) {
      const { speedUpBound } = placementReport(placeShards(spec, layers, 64), 64);
      expect(speedUpBound).toBeCloseTo(bound, 2);
    }
    for (const spec of SPECS.slice(1, 4))
      for (const servers of [2, 3, 8])
        expect(placementReport(placeShards(spec, layers, servers), servers).speedUpBound).toBeLessThan(bound + 0.005);
  });

  it.each(['even', 'split-large', 'chunks', 'ring'] as const)('%s has no such bound', (kind) => {
    const servers = 4;
    const report = placementReport(placeShards(kind, VGG_16, servers), servers);
    expect(report.speedUpBound).toBeGreaterThan(2.8);
    expect(report.maxOverMean).toBeLessThan(1.4);
  });

  it('spreads one layer above 70 % of the weights evenly where it is split', () => {
    const layers = dense(784, 200, 200, 10);
    const even = placementReport(placeShards('even', layers, 4), 4);
    expect(even.maxOverMean).toBeLessThan(1.08);
    expect(placementReport(placeShards('round-robin', layers, 4), 4).maxOverMean).toBeGreaterThan(3);
    expect(even.bytes.reduce((a, b) => a + b)).toBe(199_210 * 4);
  });

  it.each([
    [['even', 1] as const, '796.8 kB of weights'],
    [
      ['even', 2] as const,
      '393.2, 403.6 kB of weights a server, the fullest 1.01 times the mean: at most 1.97 times faster than one',
    ],
    [
      ['round-robin', 4] as const,
      '628.0, 160.8, 8.0, 0.0 kB of weights a server, the fullest 3.15 times the mean: at most 1.27 times faster than one',
    ],
    [
      ['even', 9] as const,
      '81.9 to 98.3 kB of weights a server, the fullest 1.11 times the mean: at most 8.11 times faster than one',
    ],
  ])('is told in a line: %j', ([kind, servers], text) => {
    expect(placementText(placementReport(placeShards(kind, FED_AVG_2NN, servers), servers))).toBe(text);
  });

  it('sorted greedy is never worse than what it replaces in a case where declared order is', () => {
    const layers = layersOf([1, 1, 1, 3].map((size) => size * CHUNK));
    expect(placementReport(placeShards({ kind: 'greedy' }, layers, 2), 2).maxOverMean).toBeCloseTo(4 / 3);
    expect(placementReport(placeShards({ kind: 'greedy', sorted: true }, layers, 2), 2).maxOverMean).toBe(1);
  });

  it('moves on a ring only what the server that joins takes', () => {
    const layers = [{ from: 0, to: 4096 * CHUNK }];
    const before = placeShards('ring', layers, 4);
    const after = placeShards('ring', layers, 5);
    const owner = (placement: Placement, at: number) => placement.find(({ from, to }) => from <= at && at < to)!.server;
    let moved = 0;
    for (let at = 0; at < 4096 * CHUNK; at += CHUNK) {
      if (owner(after, at) === 4) moved++;
      else expect(owner(after, at)).toBe(owner(before, at));
    }
    expect(moved / 4096).toBeGreaterThan(0.1);
    expect(moved / 4096).toBeLessThan(0.35);
  });

  it('favours no server on a ring of few chunks', () => {
    const layers = [{ from: 0, to: 64 * CHUNK }];
    expect(placementReport(placeShards('ring', layers, 4), 4).maxOverMean).toBeLessThan(1.8);
  });

  it("hashes BytePS' chunks of 4,096,000 bytes, which end at whole chunks of norms", () => {
    const placement = placeShards('chunks', [{ from: 0, to: 3_000_000 }], 3);
    expect(placement.map(({ from, to }) => [from, to])).toEqual([
      [0, 1_024_000],
      [1_024_000, 2_048_000],
      [2_048_000, 3_000_000],
    ]);
    expect(new Set(placement.map(({ server }) => server)).size).toBe(3);
    expect(1_024_000 % CHUNK).toBe(0);
    expect(rangesOf(placement, placement[1]!.server)).toEqual([{ from: 1_024_000, to: 2_048_000 }]);
  });

  it('refuses what is no count, by name', () => {
    expect(() => placeShards('even', [{ from: 0, to: 1 }], 0)).toThrow(/number of servers must be a positive integer/);
    expect(() => placeShards({ kind: 'ring', virtual: 0.5 }, [{ from: 0, to: 1 }], 1)).toThrow(/virtual/);
  });
});
