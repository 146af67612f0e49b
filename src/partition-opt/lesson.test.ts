import { describe, expect, it } from 'vitest';
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

  it('learns of one task a slot when it knows what first tasks take longer, and that is not most of their time', () => {
    expect(times(lessonOf(stage([2000], [1900]), bytes, { warm: false, firstMs: 300 }))).toEqual([1700, 1600]);
    expect(times(lessonOf(stage([320], [330]), bytes, { warm: false, firstMs: 300 }))).toEqual([]);
    expect(times(lessonOf(stage([320], [330]), bytes, { warm: false, firstMs: 0 }))).toEqual([]);
  });
});
