import type { Json } from '../protocol/json.js';
import type { PartitionQuestion, SheafContext } from '../rdd/context.js';
import type { SourceSplit } from '../rdd/sources/source.js';
import { storeSplits } from '../rdd/sources/split-blocks.js';
import { firstExtraMs, fitConstants, type Measurement } from './fit.js';
import { substituteSource } from './probe-chain.js';
import { COUNTED_TASKS, nextRoundBytes, type ProbeRound, unitRun } from './probe-plan.js';
import { busyMs, idleMs, longestSlotMs, type SeenStage, watchStages } from './stage-watch.js';
import { mean } from './statistics.js';

export interface ProbeResult {
  readonly measured: readonly Measurement[];
  /** What the driver spends on a task. */
  readonly schedMs: number;
  /** What a slot's first task takes longer than others of its size, its code once loaded. */
  readonly firstMs: number;
  /** Units read. */
  readonly units: number;
  /** Without the start of the slots, which the job needs anyway. */
  readonly ms: number;
}

/**
 * Runs the stage on small parts of its source, all slots at once because slots at work slow each other down, and throws
 * the rows away: a unit to load the code, rounds of doubling size, then the tasks that count. The stage's functions see
 * these rows once more than without a probe: as with a task that runs twice.
 * @throws JobError when a task fails: so will the job
 */
export async function runProbe(question: PartitionQuestion, context: SheafContext): Promise<ProbeResult> {
  const { units } = question;
  const slots = context.tasks.slots().map(({ key }) => key);
  let place = 0;
  let read = 0;
  const run = async (...bytes: number[]) => {
    const splits = bytes.flatMap((each) => slots.map(() => unitRun(units, place++, each)));
    read += splits.reduce((sum, split) => sum + split.units.length, 0);
    const stage = await tryStage(question, splits, (task) => slots[task % slots.length]!, context);
    const measured = stage.tasks.map(({ partition, metrics }) => ({
      bytes: splits[partition]!.bytes,
      ms: busyMs(metrics),
    }));
    return { stage, measured };
  };

  const warm = await run(0);
  const begun = context.bus.clock.now();
  const rounds: ProbeRound[] = [];
  for (let bytes = nextRoundBytes(rounds, units, slots.length); bytes; ) {
    const { stage, measured } = await run(bytes);
    rounds.push({ bytes: Math.max(1, mean(measured.map((each) => each.bytes))), ms: longestSlotMs(stage.tasks) });
    bytes = nextRoundBytes(rounds, units, slots.length);
  }
  const large = rounds.at(-1)!.bytes;
  const { stage, measured } = await run(...COUNTED_TASKS.map((task) => (task === 'large' ? large : 0)));
  const loading = Math.max(0, ...stage.tasks.map(({ metrics }) => metrics.fetchMs));
  return {
    measured,
    schedMs: Math.max(0, idleMs(stage) - loading) / stage.tasks.length,
    firstMs: firstExtraMs(warm.measured, fitConstants([measured])),
    units: read,
    ms: context.bus.clock.now() - begun,
  };
}

async function tryStage(
  { node, top }: PartitionQuestion,
  splits: readonly SourceSplit[],
  prefer: (task: number) => `${string}#${number}`,
  context: SheafContext,
): Promise<SeenStage> {
  const newNode = context.newNode.bind(context);
  const copy = substituteSource(top, node, [], newNode);
  const scope = `${context.app}/probe-${copy.source.id}`;
  copy.source.splits = await storeSplits(splits as unknown as Json[], scope, context.blocks);
  let seen: SeenStage | undefined;
  const unwatch = watchStages(context.bus, new Set([copy.source.id]), (stage) => {
    seen = stage;
  });
  try {
    const name = `probe of ${node.name}`;
    const request = { top: copy.top, terminal: { kind: 'count' }, name, prefer, uncounted: true } as const;
    await context.runJob(request, async () => null);
  } finally {
    unwatch();
    context.dag.release(scope);
  }
  if (!seen) throw new Error('an executor was lost meanwhile');
  return seen;
}
