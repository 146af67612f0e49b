import type { SheafContext } from '../rdd/context.js';
import { type Expectation, type Lesson, lessonOf, loadingMs } from './lesson.js';
import { type SeenStage, watchStages } from './stage-watch.js';

/** A plan that waits for its stage to run. */
export interface Followed extends Expectation {
  readonly source: number;
  /** As in the `plan` event. */
  readonly what: string;
  /** Input bytes of each partition. */
  readonly bytes: readonly number[];
  readonly predictedMs?: number;
  /** Told what the stage teaches, when it read nothing but this source. */
  learned(lesson: Lesson): void;
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
  const [only] = read.length === 1 ? read : [];
  const lesson = only && lessonOf(stage, only.bytes, only);
  const once = lesson?.onceMs ?? loadingMs(stage) + Math.max(...read.map(({ warm, firstMs }) => (warm ? 0 : firstMs)));
  const what = read.map((each) => each.what).join(' and ');
  const measuredMs = Math.max(0, stage.ms - once);
  const predicted = read.flatMap(({ predictedMs }) => predictedMs ?? []);
  const predictedMs = predicted.length < read.length ? undefined : predicted.reduce((sum, each) => sum + each, 0);
  context.bus.emit({ event: 'plan-measured', what, predictedMs, measuredMs });
  if (lesson) only!.learned(lesson);
}
