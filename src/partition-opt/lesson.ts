import { firstExtraMs, fitConstants, type Measurement } from './fit.js';
import { busyMs, firstTasks, longestSlotMs, type SeenStage, type SeenTask } from './stage-watch.js';
import { mean } from './statistics.js';

/** What one run of a stage teaches about its cost. */
export interface Lesson {
  /** Of tasks in slots that had done before what they do once. Perhaps none. */
  readonly measured: readonly Measurement[];
  /** What the driver spent on a task. */
  readonly schedMs: number;
  /** What a slot's first task took longer, its code once loaded. */
  readonly firstMs: number;
  /** What slots did once, on the mean of the slots: start, load the stage, run it uncompiled. */
  readonly onceMs: number;
}

/** What a first task did besides is known well enough to be taken off when it is no more than this share of its time. */
const MOST_BESIDES = 0.2;

/**
 * Pure. The first tasks of cold slots are held against the others. Where each slot had one task only, what is known of first tasks
 * is taken off theirs, so that a plan of one task a slot, made in error, is mended; unless that is unknown, or most of their time.
 * @param bytes input of each partition
 * @param known whether slots had the stage's code loaded and compiled, and what earlier runs say of first tasks
 */
export function lessonOf(
  stage: SeenStage,
  bytes: readonly number[],
  known: { readonly warm: boolean; readonly firstMs: number },
): Lesson {
  const idle = Math.max(0, stage.ms - longestSlotMs(stage.tasks));
  const loading = loadingMs(stage);
  const schedMs = (idle - loading) / Math.max(1, stage.tasks.length);
  const point = ({ partition, metrics }: SeenTask) => ({ bytes: bytes[partition]!, ms: busyMs(metrics) });
  if (known.warm) return { measured: stage.tasks.map(point), schedMs, firstMs: known.firstMs, onceMs: loading };
  const cold = new Set(firstTasks(stage.tasks));
  const first = [...cold].map(point);
  const later = stage.tasks.filter((task) => !cold.has(task)).map(point);
  if (later.length > 0) {
    const firstMs = firstExtraMs(first, fitConstants([later]));
    return { measured: later, schedMs, firstMs, onceMs: loading + firstMs };
  }
  const { firstMs } = known;
  const telling = first.filter(({ ms }) => firstMs > 0 && firstMs <= MOST_BESIDES * ms);
  const measured = telling.map(({ bytes, ms }) => ({ bytes, ms: ms - firstMs }));
  return { measured, schedMs, firstMs, onceMs: loading + firstMs };
}

/** Waiting is the difference of two machines' clocks: it cannot have been more than the time in which no slot worked. */
export function loadingMs({ ms, tasks }: SeenStage): number {
  const idle = Math.max(0, ms - longestSlotMs(tasks));
  return Math.min(idle, mean(firstTasks(tasks).map(({ metrics }) => metrics.queueMs + metrics.fetchMs)));
}
