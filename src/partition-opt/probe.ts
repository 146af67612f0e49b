import type { Json } from '../protocol/json.js';
import type { PartitionQuestion, SheafContext } from '../rdd/context.js';
import type { SourceSplit } from '../rdd/sources/source.js';
import type { LineageNode } from '../scheduler/lineage.js';
import type { Measurement } from './cost-model.js';
import { substituteSource } from './probe-chain.js';
import { busyMs, longestSlotMs, type SeenStage, watchStages } from './stage-watch.js';
import { mean } from './statistics.js';

export interface ProbeResult {
  readonly measured: readonly Measurement[];
  /** What the driver spends on a task. */
  readonly schedMs: number;
  /** What a slot's first task takes longer than others of its size, its code once loaded. */
  readonly firstMs: number;
  /** Of both jobs. */
  readonly ms: number;
}

/**
 * Runs the stage on the pieces of a probe plan and throws the rows away. The stage's functions see these rows, and the
 * job's tasks will show them the same rows again: as with a task that runs twice.
 * @throws JobError when a task fails: so will the job
 */
export async function runProbe(
  { node, top }: PartitionQuestion,
  plan: { readonly warmUp: readonly SourceSplit[]; readonly tasks: readonly (readonly SourceSplit[])[] },
  context: SheafContext,
): Promise<ProbeResult> {
  const begun = context.bus.clock.now();
  const slots = context.tasks.slots().map(({ key }) => key);
  const warm = await tryStage(node, top, plan.warmUp, (task) => slots[task % slots.length], context);
  const rounds = plan.tasks[0]!.map((_, step) => plan.tasks.map((tasks) => tasks[step]!));
  const splits = rounds.flat();
  const stage = await tryStage(node, top, splits, (task) => slots[(task % plan.tasks.length) % slots.length], context);
  const measured = stage.tasks.map(({ partition, metrics }) => ({
    bytes: splits[partition]!.bytes,
    ms: busyMs(metrics),
  }));
  const rate = mean(measured.map(({ ms }) => ms)) / mean(measured.map(({ bytes }) => bytes));
  const usualMs = rate * mean(plan.warmUp.map(({ bytes }) => bytes));
  const loading = Math.max(0, ...stage.tasks.map(({ metrics }) => metrics.fetchMs));
  return {
    measured,
    schedMs: Math.max(0, stage.ms - loading - longestSlotMs(stage.tasks)) / splits.length,
    firstMs: Math.max(0, mean(warm.tasks.map(({ metrics }) => busyMs(metrics))) - usualMs),
    ms: context.bus.clock.now() - begun,
  };
}

async function tryStage(
  source: LineageNode,
  top: LineageNode,
  splits: readonly SourceSplit[],
  prefer: (task: number) => `${string}#${number}` | undefined,
  context: SheafContext,
): Promise<SeenStage> {
  const newNode = context.newNode.bind(context);
  const copy = substituteSource(top, source, splits as unknown as Json[], newNode);
  let seen: SeenStage | undefined;
  const unwatch = watchStages(context.bus, new Set([copy.source.id]), (stage) => {
    seen = stage;
  });
  try {
    const name = `probe of ${source.name}`;
    const request = { top: copy.top, terminal: { kind: 'count' }, name, prefer, uncounted: true } as const;
    await context.runJob(request, async () => null);
  } finally {
    unwatch();
  }
  if (!seen) throw new Error('the probe was disturbed by the loss of an executor');
  return seen;
}
