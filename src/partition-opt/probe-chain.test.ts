import { describe, expect, it } from 'vitest';
import type { LineageNode } from '../scheduler/lineage.js';
import { partitionCount, partitionInput } from '../scheduler/partition-input.js';
import type { Step } from '../scheduler/step.js';
import { fingerprint, substituteSource } from './probe-chain.js';

let ids = 0;
const node = (name: string, step: Step, parents: readonly LineageNode[] = []): LineageNode => ({
  id: ids++,
  name,
  step,
  parents,
});
const source = (options: string) =>
  node('csv', { kind: 'source', source: { module: 'rdd/sources/csv-reader', options, batches: true } });

describe('substituteSource', () => {
  it('copies the operators, reads other splits and keeps nothing', () => {
    const read = source('a');
    const windows = node('mapBatches', { kind: 'mapBatches', fn: (batch) => batch }, [read]);
    windows.persisted = { level: 'MEMORY', scope: 'app/rdd-1' };
    const top = node('filter', { kind: 'filter', fn: (row) => row.subject > 1 }, [windows]);
    const copy = substituteSource(top, read, ['one', 'two'], node);
    expect(copy.top.step).toBe(top.step);
    expect(copy.top.parents[0]!.step).toBe(windows.step);
    expect(copy.top.parents[0]!.persisted).toBeUndefined();
    expect(copy.top.parents[0]!.parents[0]).toBe(copy.source);
    expect(partitionCount(copy.top)).toBe(2);
    expect(partitionInput(copy.top, 1).split).toBe('two');
    expect(read.splits).toBeUndefined();
    expect(new Set([read, windows, top, copy.source, copy.top].map(({ id }) => id)).size).toBe(5);
  });

  it('follows one branch of a union', () => {
    const [left, right] = [source('l'), source('r')];
    const union = node('union', { kind: 'union' }, [left, node('map', { kind: 'map', fn: (x) => x + 1 }, [right])]);
    const top = node('map', { kind: 'map', fn: (x) => x * 2 }, [union]);
    const { top: copy } = substituteSource(top, right, ['only'], node);
    expect(partitionCount(copy)).toBe(1);
    expect(copy.parents[0]!.step.kind).toBe('map');
    expect(copy.parents[0]!.parents[0]!.step.kind).toBe('source');
  });
});

describe('fingerprint', () => {
  const stage = (options: string, fn: (x: number) => number) => {
    const read = source(options);
    return fingerprint(node('map at job.ts:1', { kind: 'map', fn }, [read]), read);
  };

  it('tells stages apart by what they do, not by where they stand in the job', () => {
    expect(stage('a', (x) => x + 1)).toBe(stage('a', (x) => x + 1));
    expect(stage('a', (x) => x + 1)).not.toBe(stage('a', (x) => x + 2));
    expect(stage('a', (x) => x + 1)).not.toBe(stage('b', (x) => x + 1));
  });
});
