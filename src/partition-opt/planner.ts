import type { Json } from '../protocol/json.js';
import type { PartitionChoice, PartitionQuestion, SheafContext } from '../rdd/context.js';
import { packUnits } from '../rdd/sources/source.js';
import {
  choosePartitions,
  duration,
  expectedTaskMs,
  MAX_PARTITION_BYTES,
  type PartitionPlan,
  predictFor,
  totalBytes,
} from './choose-partitions.js';
import type { CostConstants } from './cost-model.js';
import { fitConstants, grouped, type Measurement } from './fit.js';
import { follow } from './follow.js';
import { historyFile, learn, readHistory, remember, spreadOf } from './history.js';
import { runProbe } from './probe.js';
import { fingerprint } from './probe-chain.js';
import { notWorthProbing } from './probe-plan.js';
import { median } from './statistics.js';

/** What is known of a stage's cost, and how. */
type Knowledge =
  | { readonly kind: 'nothing'; readonly reason: string }
  | {
      readonly kind: 'constants';
      readonly constants: CostConstants;
      /** For people: `from 3 earlier runs`. */
      readonly how: string;
      readonly firstMs: number;
      /** Present after a probe. */
      readonly measured?: readonly Measurement[];
    };

/** Without any measurement: enough to even out, few enough to cost nothing. */
const RULE_OF_THUMB = 2;

/**
 * Chooses the partitions of a source by the cost model, from earlier runs of the same stage or from a short probe; says
 * so in a `plan` event, and in `plan-measured` what came of it. A number that was asked for holds. Only the physical plan
 * depends on it, never a result.
 */
export async function planPartitions(question: PartitionQuestion, context: SheafContext): Promise<PartitionChoice> {
  const { node, top, units, pinned } = question;
  if (units.length === 0) return { partitions: pinned?.partitions ?? 1 };
  const slots = context.defaultParallelism;
  const key = { stage: fingerprint(top, node), machine: machineOf(context), bytes: totalBytes(units) };
  const knowledge = await gather(question, key, context);
  const model = knowledge.kind === 'constants' ? choosePartitions(units, slots, knowledge.constants) : undefined;
  const wanted = pinned?.partitions ?? model?.partitions ?? ruleOfThumb(question, slots);
  const splits = packUnits(units, wanted);
  const partitions = splits.length;
  const known = knowledge.kind === 'constants' ? knowledge : undefined;
  const predictedMs = known && predictFor(units, partitions, slots, known.constants);
  const what = `partitions of ${node.name}`;
  context.bus.emit({
    event: 'plan',
    what,
    choice: partitions,
    reason: reasonFor(question, partitions, predictedMs, model, knowledge),
    predictedMs,
    details: { ...key, slots, units: units.length, constants: known?.constants, model } as unknown as Json,
  });
  follow(
    {
      ...{ source: node.id, what, predictedMs, bytes: splits.map((split) => split.bytes) },
      ...{ firstMs: known?.firstMs ?? 0, constants: known?.constants },
      warm: known?.measured !== undefined,
      learned({ measured: stage, schedMs, firstMs }) {
        const measured = combined(grouped(stage), known?.measured ?? []);
        if (measured.length === 0 || context.conf.get('sheaf.probe') === 'off') return;
        const spread = spreadOf(stage, fitConstants([measured]));
        remember(historyFile(), { ...key, measured, schedMs, firstMs, spread });
      },
    },
    context,
  );
  return { partitions, expectedMs: known && expectedTaskMs(units, partitions, known.constants) };
}

async function gather(
  question: PartitionQuestion,
  key: { stage: string; machine: string; bytes: number },
  context: SheafContext,
): Promise<Knowledge> {
  const mode = context.conf.get('sheaf.probe');
  if (mode === 'off') return { kind: 'nothing', reason: 'sheaf.probe is off' };
  if (mode !== 'always') {
    const learned = learn(readHistory(historyFile()), key);
    const how = learned && `from ${learned.runs} earlier ${learned.runs === 1 ? 'run' : 'runs'}`;
    if (learned) return { kind: 'constants', ...learned, how: how! };
    if (question.pinned) return { kind: 'nothing', reason: 'not measured' };
  }
  const useless = notWorthProbing(question.units, context.defaultParallelism);
  if (useless) return { kind: 'nothing', reason: useless };
  try {
    const { measured, schedMs, firstMs, units, ms } = await runProbe(question, context);
    const fitted = fitConstants([measured]);
    const constants = { ...fitted, schedMs, spread: spreadOf(measured, fitted) };
    return { kind: 'constants', constants, firstMs, measured, how: `measured on ${units} of them in ${duration(ms)}` };
  } catch (error) {
    return { kind: 'nothing', reason: `the probe failed (${(error as Error).message.split('\n')[0]})` };
  }
}

function ruleOfThumb({ units }: PartitionQuestion, slots: number): number {
  return Math.max(RULE_OF_THUMB * slots, Math.ceil(totalBytes(units) / MAX_PARTITION_BYTES));
}

function reasonFor(
  { units, pinned }: PartitionQuestion,
  partitions: number,
  predictedMs: number | undefined,
  model: PartitionPlan | undefined,
  knowledge: Knowledge,
): string {
  if (pinned) {
    const asked =
      pinned.partitions === partitions ? '' : ` at ${pinned.partitions}, but there are only ${units.length} pieces`;
    const foreseen =
      predictedMs !== undefined && model
        ? `: predicted ${duration(predictedMs)}; the model would take ${model.partitions} (${duration(model.predictedMs)})`
        : '';
    return `pinned by ${pinned.by}${asked}${foreseen}`;
  }
  if (!model || knowledge.kind === 'nothing') {
    const reason = knowledge.kind === 'nothing' ? knowledge.reason : '';
    return `${reason}: ${RULE_OF_THUMB} a slot, at most one a piece`;
  }
  return `${model.reason}; ${knowledge.how}`;
}

/** What the stage itself took tells most; of a probe only the small tasks add to it: what a task costs whatever its size. */
function combined(stage: readonly Measurement[], probe: readonly Measurement[]): readonly Measurement[] {
  if (stage.length === 0) return probe;
  const middle = median(probe.map(({ bytes }) => bytes));
  return [...stage, ...probe.filter(({ bytes }) => bytes < middle)];
}

/** The processors that there are, and how many slots share them. */
function machineOf(context: SheafContext): string {
  const executors = context.tasks.executors();
  const processors = [...new Set(executors.map(({ fingerprint }) => fingerprint))].sort();
  return `${processors.join(', ')} x${context.defaultParallelism} in ${executors.length}`;
}
