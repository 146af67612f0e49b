import type { TimedEvent } from '../protocol/event.js';
import type { TaskMetrics } from '../protocol/task.js';
import type { EventBus } from '../scheduler/event-bus.js';

export interface SeenTask {
  readonly partition: number;
  readonly slot: string;
  readonly metrics: TaskMetrics;
}

/** One stage that succeeded, as its events told it. */
export interface SeenStage {
  readonly sources: readonly number[];
  readonly ms: number;
  /** In the order in which they ended; first results only. */
  readonly tasks: readonly SeenTask[];
}

/**
 * Tells of every stage that reads one of the sources and succeeded at the first attempt (another would count part of it).
 * @returns the function that ends it
 */
export function watchStages(bus: EventBus, sources: ReadonlySet<number>, seen: (stage: SeenStage) => void): () => void {
  const open = new Map<string, { sources: readonly number[]; tasks: Map<number, SeenTask> }>();
  return bus.listen((event: TimedEvent) => {
    if (event.event !== 'stage-start' && event.event !== 'task-end' && event.event !== 'stage-end') return;
    if (event.stageAttempt > 0) return;
    const key = `${event.job} ${event.stage}`;
    if (event.event === 'stage-start') {
      if (event.sources?.some((source) => sources.has(source)))
        open.set(key, { sources: event.sources, tasks: new Map() });
      return;
    }
    const stage = open.get(key);
    if (!stage) return;
    if (event.event === 'task-end') {
      const { partition, executor, slot, metrics } = event;
      if (!event.failure && !stage.tasks.has(partition))
        stage.tasks.set(partition, { partition, slot: `${executor}#${slot}`, metrics });
    } else {
      open.delete(key);
      if (event.ok) seen({ sources: stage.sources, ms: event.ms, tasks: [...stage.tasks.values()] });
    }
  });
}

/** What a task cost its slot, loading the stage's code apart. */
export function busyMs({ computeMs, writeMs }: TaskMetrics): number {
  return computeMs + writeMs;
}

/** Busy time of the slot that worked longest. */
export function longestSlotMs(tasks: readonly SeenTask[]): number {
  const busy = new Map<string, number>();
  for (const { slot, metrics } of tasks) busy.set(slot, (busy.get(slot) ?? 0) + busyMs(metrics));
  return Math.max(0, ...busy.values());
}

/** Time of a stage in which no slot need have worked. */
export function idleMs({ ms, tasks }: SeenStage): number {
  return Math.max(0, ms - longestSlotMs(tasks));
}

/** The first task of each slot: it pays for what the slot does once. */
export function firstTasks(tasks: readonly SeenTask[]): SeenTask[] {
  const first = new Map<string, SeenTask>();
  for (const task of tasks) if (!first.has(task.slot)) first.set(task.slot, task);
  return [...first.values()];
}
