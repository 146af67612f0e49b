import { describe, expect, it } from 'vitest';
import { casesOf, flopPerRow } from './cases.js';
import { oursOn, ratioOf, shareOfPeak, strayLosses, warmRate, wholeRate } from './figures.js';
import type { Cell, Row, Table } from './measure.js';
import { optionsOf } from './options.js';
import type { Fit } from './peers/fits.js';
import { PEERS, type Peer } from './peers.js';
import { report } from './report.js';

const peer = (id: string, cores: 1 | 2, more: Partial<Peer> = {}): Peer => ({
  ...{ id, title: id, cores, beside: [2], sameSteps: true, launch: () => ({ command: '', args: [] }) },
  ...more,
});
const one = peer('sheaf-1', 1, { sheaf: true, beside: [] });
const two = peer('sheaf-2', 2, { sheaf: true, beside: [] });
const ps = peer('sheaf-2-ps', 2, { sheaf: true, beside: [] });
const torch = peer('torch', 2);
const spark = peer('spark', 2, { sameSteps: false });

/** A fit whose warm epochs take `warm` seconds each. */
const fitOf = (warm: number, loss = 0.5): Fit => ({
  ...{ seconds: 10 + 2 * warm, epochSeconds: [10, warm, warm], losses: [2, 1, loss] },
});
const cell = (...fits: (Fit | undefined)[]): Cell => ({ fits, processorMs: fits.map(() => 1000) });
const each = { ...casesOf()[0]!, rows: 1000, epochs: 3, widths: [10, 20, 5] };

describe('figures', () => {
  it('counts the operations of both passes, without the gradient of the inputs', () => {
    expect(flopPerRow([10, 20, 5])).toBe(2 * 200 * 2 + 2 * 100 * 3);
    expect(flopPerRow([784, 512, 512, 10])).toBeCloseTo(3.21e6, -4);
  });

  it('tells warm epochs from the whole fit', () => {
    expect(warmRate(each, fitOf(2))).toBe(500);
    expect(wholeRate(each, fitOf(2))).toBeCloseTo(3000 / 14);
  });

  it('compares rounds that both took part in, and shares with the peak of the same round', () => {
    const row: Row = {
      cells: new Map([
        [two, cell(fitOf(1), fitOf(2), fitOf(1))],
        [torch, cell(fitOf(2), undefined, fitOf(4))],
      ]),
      peaks: new Map([[2, [0.001, 0.002, 0.004]]]),
    };
    expect(ratioOf(each, row, two, torch)).toEqual({ median: 3, least: 2, most: 4 });
    expect(shareOfPeak(each, row, two)!.most).toBeCloseTo((1000 * 1400) / 1e9 / 0.001);
    expect(shareOfPeak(each, { ...row, peaks: new Map() }, two)).toBeUndefined();
  });

  it('compares with the first Sheaf of as many cores that does the case', () => {
    const cells = new Map([
      [one, cell(fitOf(1))],
      [two, { ...cell(), skipped: 'no such option' }],
      [ps, cell(fitOf(1))],
    ]);
    const row: Row = { cells, peaks: new Map() };
    expect(oursOn(1, row)).toBe(one);
    expect(oursOn(2, row)).toBe(ps);
  });

  it('names losses that are off, of those that take the same steps', () => {
    const cells = new Map([
      [two, cell(fitOf(1, 0.5))],
      [ps, cell(fitOf(1, 0.52))],
      [torch, cell(fitOf(1, Number.NaN))],
      [spark, cell(fitOf(1, 9))],
    ]);
    expect(strayLosses({ cells, peaks: new Map() }).map(({ peer }) => peer.id)).toEqual(['torch']);
  });
});

describe('report', () => {
  it('shows what was measured, skipped and interrupted', () => {
    const table: Table = new Map([
      [
        each,
        {
          cells: new Map([
            [one, cell(fitOf(2))],
            [two, { ...cell(fitOf(1)), first: fitOf(3) }],
            [torch, cell(fitOf(2))],
            [spark, { ...cell(), failure: 'out of memory' }],
            [ps, cell()],
          ]),
          peaks: new Map([[2, [4]]]),
        },
      ],
    ]);
    const text = report(table, [one, two, torch, spark, ps]);
    expect(text).toContain('| peer | warm rows/s | sheaf-1 / peer | sheaf-2 / peer |');
    expect(text).toContain('| torch | 0.50k [0.50k, 0.50k] |  | 2.00 [2.00, 2.00] |');
    expect(text).toContain('sheaf-2 / sheaf-1: 2.00 [2.00, 2.00]');
    expect(text).toContain('spark: failed: out of memory');
    expect(text).not.toContain('NaN');
  });
});

describe('options', () => {
  it('refuses what it does not know', () => {
    expect(() => optionsOf(['--peers', 'torhc'])).toThrow('there is no "torhc"');
    expect(() => optionsOf(['--cases', 'larg'])).toThrow('there is no "larg"');
    expect(() => optionsOf(['--target', '88'])).toThrow('share between 0 and 1');
    expect(() => optionsOf(['--rounds', '0'])).toThrow('at least 1');
  });

  it('leaves optional peers out unless they are named', () => {
    const all = optionsOf([]);
    expect(all !== 'help' && all.peers.length).toBe(PEERS.filter(({ optional }) => !optional).length);
    const named = optionsOf(['--peers', 'ddp-compile-2']);
    expect(named !== 'help' && named.peers.map(({ id }) => id)).toEqual(['ddp-compile-2']);
  });
});
