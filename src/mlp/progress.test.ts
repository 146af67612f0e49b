import { describe, expect, it } from 'vitest';
import { Diverged } from './diverged.js';
import { numericalPlan } from './numerical-plan.js';
import { BEGINNING, Progress } from './progress.js';

const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const plan = numericalPlan({ rows: 20, batchSize: 10, epochs: 2, seed: 0, network, optimizer, shards: 2 });
const loss = (mean: number) => ({ rows: 10, weight: 10, lossSum: 10 * mean });

describe('Progress', () => {
  it('adds up the losses of an epoch’s steps, and begins the next with none', () => {
    const progress = new Progress({ plan }, BEGINNING);
    expect(progress.count(0, loss(3))).toEqual({ step: 1, epoch: 1, loss: 3, rows: 10 });
    progress.count(1, loss(1));
    progress.commit(2);
    expect(progress.epochLoss).toBe(2);
    progress.endEpoch(2);
    expect(progress.keep()).toEqual({ ...BEGINNING, step: 2, losses: [2] });
    expect([progress.epoch, progress.over]).toEqual([2, false]);
  });

  it('goes back to a cursor as if nothing had been counted since', () => {
    const progress = new Progress({ plan }, BEGINNING);
    progress.count(0, loss(3));
    const kept = progress.keep();
    progress.count(1, loss(9));
    progress.returnTo(kept);
    expect(progress.count(1, loss(1)).step).toBe(2);
    expect(progress.epochLoss).toBe(2);
  });

  it('says when a state is due: at the epoch’s end and at each checkpoint', () => {
    const progress = new Progress({ plan: { ...plan, rows: 100, stepsPerEpoch: 10 } }, { ...BEGINNING, step: 14 });
    expect([undefined, 4, 7, 14].map((every) => progress.due(every))).toEqual([20, 16, 20, 20]);
  });

  it('goes on after a loss from what is left, and ends an epoch with a step that is told', () => {
    const spec = { plan: { ...plan, rows: 100, stepsPerEpoch: 10 } };
    const progress = new Progress(spec, { ...BEGINNING, step: 12, losses: [1] });
    expect(progress.salvaged(15)).toEqual({ cursor: { ...BEGINNING, step: 15, losses: [1] }, rows: 30 });
    const { cursor, rows } = progress.salvaged(20);
    expect([cursor.step, rows]).toEqual([19, 70]);
    progress.returnTo(cursor);
    expect([progress.epoch, progress.due()]).toEqual([2, 20]);
    progress.count(19, loss(3));
    expect(progress.epochLoss).toBe(3);
  });

  it('counts the step that is made once more only once', () => {
    const progress = new Progress({ plan: { ...plan, rows: 100, stepsPerEpoch: 10 } }, BEGINNING);
    for (let step = 0; step < 10; step++) progress.count(step, loss(step));
    const { rows } = progress.cursor.partial;
    const { cursor } = progress.salvaged(10);
    expect([cursor.step, cursor.partial.rows]).toEqual([9, 0.9 * rows]);
    progress.returnTo(cursor);
    progress.count(9, loss(9));
    expect([progress.cursor.partial.rows, progress.epochLoss]).toEqual([rows, 4.5]);
  });

  it('refuses a loss that is no number', () => {
    const progress = new Progress({ plan }, BEGINNING);
    expect(() => progress.count(0, loss(Number.NaN))).toThrow(Diverged);
    expect(progress.cursor).toEqual(BEGINNING);
  });

  it('notes a consistency that is another than the last', () => {
    const progress = new Progress({ plan }, BEGINNING);
    expect(progress.noteConsistency(undefined)).toBe(false);
    expect(progress.noteConsistency('async')).toBe(true);
    expect(progress.noteConsistency('async')).toBe(false);
    expect(progress.cursor.consistency).toBe('async');
  });
});
