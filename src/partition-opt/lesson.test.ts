import { describe, expect, it } from 'vitest';
import { ASSUMED } from './cost-model.js';
import { lessonOf } from './lesson.js';

/** A stage whose tasks, of 1 MB each, took so long in their slots, one after the other. */
function stage(...slots: readonly number[][]) {
  const tasks = slots.flatMap((times, slot) =>
    times.map((computeMs, place) => ({
      partition: place * slots.length + slot,
      slot: `e#${slot}`,
      metrics: { queueMs: 2, fetchMs: 3, computeMs, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 },
    })),
  );
  const longest = Math.max(...slots.map((times) => times.reduce((a, b) => a + b, 0)));
  return { sources: [1], ms: longest + 5 + tasks.length, tasks };
}
const bytes = Array.from({ length: 8 }, () => 1e6);
const times = ({ measured }: ReturnType<typeof lessonOf>) => measured.map(({ ms }) => ms);

describe('lessonOf', () => {
  it('takes all tasks of warm slots; what is neither work nor loading is the driver’s', () => {
    const lesson = lessonOf(stage([20, 20], [20, 20]), bytes, { warm: true, firstMs: 300 });
    expect(times(lesson)).toEqual([20, 20, 20, 20]);
    expect(lesson).toMatchObject({ onceMs: 5, schedMs: 1, firstMs: 300 });
  });

  it('holds the first tasks of cold slots against the others', () => {
    const lesson = lessonOf(stage([320, 20], [320, 20]), bytes, { warm: false, firstMs: 0 });
    expect(times(lesson)).toEqual([20, 20]);
    expect(lesson.firstMs).toBeCloseTo(300);
    expect(lesson.onceMs).toBeCloseTo(305);
    expect(lesson.schedMs).toBeCloseTo(1);
  });

  it('divides the time of one task a slot between work and what is done once, as was expected', () => {
    const known = { warm: false, firstMs: 300, constants: { ...ASSUMED, taskMs: 10, byteMs: 90e-6 } };
    const lesson = lessonOf(stage([800], [800]), bytes, known);
    expect(lesson.measured).toEqual([
      { bytes: 1e6, ms: 200 },
      { bytes: 1e6, ms: 200 },
    ]);
    expect(lesson).toMatchObject({ firstMs: 300, onceMs: 605 });
  });

  it('learns nothing of one task a slot when nothing was expected', () => {
    expect(times(lessonOf(stage([320], [330]), bytes, { warm: false, firstMs: 300 }))).toEqual([]);
    const unknown = { warm: false, firstMs: 0, constants: ASSUMED };
    expect(times(lessonOf(stage([320], [330]), bytes, unknown))).toEqual([]);
  });
});
