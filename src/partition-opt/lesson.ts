import type { CostConstants } from './cost-model.js';
import { firstExtraMs, fitConstants, grouped, type Measurement } from './fit.js';
import { busyMs, firstTasks, idleMs, type SeenStage, type SeenTask } from './stage-watch.js';
import { mean, median } from './statistics.js';

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

/** What is known of a stage before it runs. */
export interface Expectation {
  /** Whether slots had the stage's code loaded and compiled. */
  readonly warm: boolean;
  /** Extra time of a slot's first task when nothing has run before; 0 when that is unknown. */
  readonly firstMs: number;
  readonly constants?: CostConstants | undefined;
}

/**
 * Pure. The first tasks of cold slots are held against the others. Where each slot had one task only, its time is divided between
 * work and what was done once as was expected: all of it was as slow or fast as the machine was. So a plan of one task a
 * slot that was made in error is mended by its own runs.
 * @param bytes input of each partition
 */
export function lessonOf(stage: SeenStage, bytes: readonly number[], known: Expectation): Lesson {
  const loading = loadingMs(stage);
  const schedMs = (idleMs(stage) - loading) / Math.max(1, stage.tasks.length);
  const point = ({ partition, metrics }: SeenTask) => ({ bytes: bytes[partition]!, ms: busyMs(metrics) });
  if (known.warm) return { measured: stage.tasks.map(point), schedMs, firstMs: known.firstMs, onceMs: loading };
  const cold = new Set(firstTasks(stage.tasks));
  const first = [...cold].map(point);
  const later = stage.tasks.filter((task) => !cold.has(task)).map(point);
  if (later.length > 0) {
    const firstMs = firstExtraMs(first, fitConstants([grouped(later)]));
    return { measured: later, schedMs, firstMs, onceMs: loading + firstMs };
  }
  const { firstMs, constants } = known;
  if (firstMs === 0 || !constants) return { measured: [], schedMs, firstMs, onceMs: loading + firstMs };
  const measured = first.map(({ bytes, ms }) => {
    const work = constants.taskMs + constants.byteMs * bytes;
    return { bytes, ms: (ms * work) / (work + firstMs) };
  });
  const onceMs = loading + median(first.map(({ ms }, task) => ms - measured[task]!.ms));
  return { measured, schedMs, firstMs, onceMs };
}

/** Waiting is the difference of two machines' clocks: it cannot have been more than the time in which no slot worked. */
export function loadingMs(stage: SeenStage): number {
  return Math.min(idleMs(stage), mean(firstTasks(stage.tasks).map(({ metrics }) => metrics.queueMs + metrics.fetchMs)));
}
