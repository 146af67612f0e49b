import type { SheafContext } from '../rdd/context.js';
import type { Measurement } from './cost-model.js';
import { busyMs, firstTasks, longestSlotMs, type SeenStage, watchStages } from './stage-watch.js';
import { mean } from './statistics.js';

/** A plan that waits for its stage to run. */
export interface Followed {
  readonly source: number;
  /** As in the `plan` event. */
  readonly what: string;
  /** Input bytes of each partition. */
  readonly bytes: readonly number[];
  readonly predictedMs?: number;
  /** Extra time of a slot's first task when nothing has run before; 0 after a probe. */
  readonly firstMs: number;
  /** Whether the slots had the stage's code loaded and compiled. */
  readonly warm: boolean;
  /** Told what the stage's tasks took, when it read nothing but this source. */
  learned(measured: readonly Measurement[], schedMs: number): void;
}

const plans = new WeakMap<SheafContext, Map<number, Followed>>();

/**
 * When the planned source has been read as a whole, says in a `plan-measured` event how long that took. A stage that
 * reads several sources is held against the sum of their predictions.
 */
export function follow(plan: Followed, context: SheafContext): void {
  const waiting = plans.get(context) ?? new Map<number, Followed>();
  plans.set(context, waiting);
  waiting.set(plan.source, plan);
  const unwatch = watchStages(context.bus, new Set([plan.source]), (stage) => {
    const read = stage.sources.map((source) => waiting.get(source));
    if (!read.every((each) => each !== undefined)) return;
    if (stage.tasks.length !== read.reduce((sum, { bytes }) => sum + bytes.length, 0)) return;
    unwatch();
    if (stage.sources.at(-1) !== plan.source) return; // the last of them speaks for all
    report(stage, read, context);
    for (const { source } of read) waiting.delete(source);
  });
}

function report(stage: SeenStage, read: readonly Followed[], context: SheafContext): void {
  const once = oneOffMs(stage, read);
  const what = read.map((each) => each.what).join(' and ');
  const measuredMs = Math.max(0, stage.ms - once);
  const predicted = read.flatMap(({ predictedMs }) => predictedMs ?? []);
  const predictedMs = predicted.length < read.length ? undefined : predicted.reduce((sum, each) => sum + each, 0);
  context.bus.emit({ event: 'plan-measured', what, predictedMs, measuredMs });
  const [only] = read;
  if (read.length > 1 || !only) return;
  const skipped = new Set(only.warm ? [] : firstTasks(stage.tasks));
  const usable = stage.tasks.filter((task) => !skipped.has(task));
  const points = usable.map(({ partition, metrics }) => ({ bytes: only.bytes[partition]!, ms: busyMs(metrics) }));
  const schedMs = Math.max(0, measuredMs - longestSlotMs(stage.tasks)) / stage.tasks.length;
  only.learned(points, schedMs);
}

/** What slots do once, on the mean of the slots: start, load the stage, run it uncompiled. */
function oneOffMs(stage: SeenStage, read: readonly Followed[]): number {
  const first = firstTasks(stage.tasks);
  // Waiting is the difference of two machines' clocks: it cannot have been more than the time in which no slot worked.
  const idle = Math.max(0, stage.ms - longestSlotMs(stage.tasks));
  const loading = Math.min(idle, mean(first.map(({ metrics }) => metrics.queueMs + metrics.fetchMs)));
  return read.every(({ warm }) => warm) ? loading : loading + Math.max(...read.map(({ firstMs }) => firstMs));
}
