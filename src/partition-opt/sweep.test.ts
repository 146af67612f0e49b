import { describe, expect, it } from 'vitest';
import type { TimedEvent } from '../protocol/event.js';
import { parseSweep, readRun, type SweepRun, sweepReport } from './sweep.js';
import { sweepTable } from './sweep-table.js';

describe('parseSweep', () => {
  it('takes a setting and its values', () => {
    expect(parseSweep('sheaf.partitions=1,2,auto')).toEqual({ key: 'sheaf.partitions', values: ['1', '2', 'auto'] });
    expect(parseSweep('sheaf.master=local[2], local-cluster[2,1]').values).toEqual(['local[2]', 'local-cluster[2,1]']);
  });

  it('says what is wrong with another text', () => {
    expect(() => parseSweep('sheaf.partitions')).toThrow('--sweep takes key=value,value,…');
    expect(() => parseSweep('sheaf.partitions=1,,2')).toThrow('--sweep takes');
    expect(() => parseSweep('=1')).toThrow('--sweep takes');
    expect(() => parseSweep('sheaf.partition=1')).toThrow('there is no setting "sheaf.partition"');
    expect(() => parseSweep('sheaf.partitions=1,many')).toThrow('not "many"');
    expect(() => parseSweep('sheaf.partitions=1,2,1')).toThrow('sheaf.partitions=1 twice');
  });
});

const events = (partitions: number, conf: Record<string, string>): TimedEvent[] => [
  { event: 'app-start', app: 'a', name: 'job', master: 'local[2]', conf, at: 1000 },
  {
    ...{ event: 'plan', what: 'partitions of csv', choice: partitions, reason: 'pinned', predictedMs: 90, at: 1500 },
    details: { model: { partitions: 4, predictedMs: 80 } },
  },
  { event: 'plan-measured', what: 'partitions of csv', predictedMs: 90, measuredMs: 100, at: 2000 },
  { event: 'app-end', at: 4000 },
];

describe('readRun', () => {
  it('reads the plan, what came of it and the whole time from the event log', () => {
    expect(readRun(events(8, { 'sheaf.partitions': '8' }), { key: 'sheaf.partitions' }, '8')).toEqual({
      ...{ value: '8', jobMs: 3000, partitions: 8, predictedMs: 90, measuredMs: 100 },
      model: { partitions: 4, predictedMs: 80 },
    });
  });

  it('refuses a run on which the setting had no effect, or that did not end', () => {
    const sweep = { key: 'sheaf.partitions' };
    expect(() => readRun(events(8, { 'sheaf.partitions': '8' }), sweep, '4')).toThrow('stronger than a sweep');
    expect(() => readRun(events(8, {}).slice(0, 3), sweep, '8')).toThrow('not complete');
  });
});

const run = (value: string, predictedMs: number, measuredMs: number, jobMs = 5000): SweepRun => ({
  ...{ value, jobMs, partitions: Number(value), predictedMs, measuredMs },
  model: { partitions: 4, predictedMs: 1000 },
});

describe('sweepReport', () => {
  it('takes planned stages that cost nothing measurable', () => {
    const report = sweepReport(parseSweep('sheaf.partitions=1,2'), [run('1', 10, 0), run('2', 10, 4)]);
    const { best, knee, rows, error } = report;
    expect(sweepTable(report)).not.toMatch(/NaN|Infinity/);
    expect(sweepTable(sweepReport(parseSweep('sheaf.partitions=1'), [run('1', 0, 0)]))).not.toMatch(/NaN|Infinity/);
    expect([best, knee, error]).toEqual(['1', '1', { median: 1.5, max: 1.5 }]);
    expect(rows.map(({ ratio }) => ratio)).toEqual([1, Number.POSITIVE_INFINITY]);
  });

  const sweep = parseSweep('sheaf.partitions=1,2,4,8');
  const runs = [
    ...[run('1', 2000, 2100), run('2', 1100, 1040), run('4', 1000, 1000), run('8', 1000, 1200)],
    ...[run('8', 1050, 1100), run('4', 900, 1020), run('2', 1100, 1060), run('1', 2000, 1900)],
    ...[run('1', 2000, 2000), run('2', 1100, 1050), run('4', 1000, 1010), run('8', 1000, 1000)],
  ];

  it('compares medians, finds the best, the knee, and how far off the predictions are', () => {
    const report = sweepReport(sweep, runs);
    expect(report.rows.map(({ measured }) => measured.median)).toEqual([2000, 1050, 1010, 1100]);
    expect(report.rows[3]!.measured).toEqual({ median: 1100, min: 1000, max: 1200 });
    expect(report).toMatchObject({ best: '4', knee: '2', model: 4, compared: 'planned stages' });
    expect(report.error!.max).toBeCloseTo(100 / 1100);
  });

  it('compares whole jobs where another setting is swept', () => {
    const own = { partitions: 4, jobMs: 0 };
    const report = sweepReport(parseSweep('sheaf.aggregation=tree,ps'), [
      { ...own, value: 'tree', jobMs: 3000 },
      { ...own, value: 'ps', jobMs: 2000 },
    ]);
    expect(report).toMatchObject({ best: 'ps', compared: 'job', model: undefined, error: undefined });
    expect(report.rows[0]!.ratio).toBe(1.5);
    expect(sweepTable(report)).toContain('aggregation  job s    min-max  ratio');
  });

  it('says when equal runs differ too much to be compared', () => {
    const noisy = sweepReport(parseSweep('sheaf.partitions=1,2'), [
      run('1', 1, 1000),
      run('1', 1, 2500),
      run('2', 1, 900),
    ]);
    expect(sweepTable(noisy)).toContain('equal runs differ up to 2.5 times');
    expect(sweepTable(sweepReport(sweep, runs))).not.toContain('equal runs differ');
  });

  it('is a table and a curve for people', () => {
    expect(sweepTable(sweepReport(sweep, runs))).toBe(
      `
partitions  predicted s  measured s    min-max  ratio  job s
         1         2.00        2.00  1.90-2.10   1.98   5.00
         2         1.10        1.05  1.04-1.06   1.04   5.00  knee
         4         1.00        1.01  1.00-1.02   1.00   5.00  best, the model's choice
         8         1.00        1.10  1.00-1.20   1.09   5.00

time of the planned stages (│ predicted)
1 ███████████████████████████████████████│
2 █████████████████████│
4 ███████████████████│
8 ███████████████████│██

best: sheaf.partitions=4; from 2 on nothing more than 5 % is won
the model chooses 4: 0 % above the best
predictions are 3 % off (median; at worst 9 %)
`.trim(),
    );
  });
});
