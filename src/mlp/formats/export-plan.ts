import type { Network } from '../network.js';
import type { StageJson } from '../pipeline/stage.js';
import type { TargetSpec } from '../targets.js';
import { type InferencePlan, type InferenceStep, inferencePlan } from './inference.js';
import type { SavedStage } from './model-folder.js';

/** A fitted network as other software will compute it. */
export interface ExportPlan {
  readonly plan: InferencePlan;
  /** For people: written into the file where its format has a place for it. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What is needed of a network's JSON. */
interface NetworkJson extends StageJson {
  readonly network: Network;
  readonly target: TargetSpec;
  readonly features: string;
  readonly featureNames?: readonly string[];
  readonly plan?: { readonly hash: string };
}

/**
 * The network of a model, or of a pipeline that ends in one. Scalers of its features that stand just before it are part of
 * the plan, so that unscaled features go in; what a regressor scaled for its training comes out in the target's own units.
 *
 * @param scalers that were applied before, outside a pipeline
 * @throws TypeError for what is no network, RangeError for scalers of another width
 */
export function exportPlan({ json, weights }: SavedStage, scalers: readonly StageJson[] = []): ExportPlan {
  const stages = json.stage === 'Pipeline' ? (json.stages as readonly StageJson[]) : [json];
  const last = stages.at(-1)!;
  const theta = weights.at(-1);
  if (!isNetwork(last) || !theta)
    throw new TypeError(
      `only networks, and pipelines that end in one, can be exported; the last stage is ${last.stage}`,
    );
  const { network, target, features } = last;
  const before = stages.slice(0, -1);
  const own = before.slice(before.findLastIndex((stage) => !(isScaler(stage) && stage.column === features)) + 1);
  const inner = inferencePlan({ network, theta, ...(target.kind !== 'values' && { classes: target.classes }) });
  const steps = [...[...own, ...scalers].map((stage) => scalingStep(stage, network.inputs)), ...inner.steps];
  if (target.kind === 'values' && target.mean && target.deviation)
    steps.push(unscalingStep(target.mean, target.deviation));
  const names = last.featureNames ?? assembled(before, features);
  const remaining = before.slice(0, before.length - own.length).map((stage) => stage.stage);
  return {
    plan: { ...inner, steps },
    metadata: {
      ...(names && { features: JSON.stringify(names) }),
      ...(target.kind === 'values' ? { values: JSON.stringify(target.columns) } : { label: target.column }),
      ...(inner.names && { classes: JSON.stringify(inner.names) }),
      ...(remaining.length > 0 && { before: remaining.join(', ') }),
      ...(last.plan && { plan: last.plan.hash }),
    },
  };
}

function isNetwork(stage: StageJson): stage is NetworkJson {
  return typeof stage.network === 'object' && stage.network !== null;
}

type ScalerJson = StageJson &
  (
    | {
        readonly stage: 'StandardScaler';
        readonly column: string;
        readonly mean: number[];
        readonly deviation: number[];
      }
    | {
        readonly stage: 'MinMaxScaler';
        readonly column: string;
        readonly least: number[];
        readonly greatest: number[];
        readonly min: number;
        readonly max: number;
      }
  );

function isScaler(stage: StageJson): stage is ScalerJson {
  return stage.stage === 'StandardScaler' || stage.stage === 'MinMaxScaler';
}

function scalingStep(stage: StageJson, inputs: number): InferenceStep {
  if (!isScaler(stage)) throw new TypeError(`${stage.stage} is no scaler that an exported network can hold`);
  const { mean, deviation } = stage.stage === 'StandardScaler' ? stage : minMax(stage);
  if (mean.length !== inputs)
    throw new RangeError(`the scaler is of ${mean.length} features, the network takes ${inputs}`);
  return { kind: 'standardize', mean: Float64Array.from(mean), deviation: Float64Array.from(deviation) };
}

/** (x - least) f + min as (x - mean) / deviation. */
function minMax({ least, greatest, min, max }: Extract<ScalerJson, { stage: 'MinMaxScaler' }>) {
  const deviation = least.map((low, k) => (greatest[k]! - low || 1) / (max - min));
  return { mean: least.map((low, k) => low - min * deviation[k]!), deviation };
}

/** x · deviation + mean as (x - m) / d. */
function unscalingStep(mean: readonly number[], deviation: readonly number[]): InferenceStep {
  return {
    kind: 'standardize',
    mean: Float64Array.from(mean, (value, k) => -value / deviation[k]!),
    deviation: Float64Array.from(deviation, (value) => 1 / value),
  };
}

/** Names of the columns that the features were assembled of, where those are numbers each. */
function assembled(stages: readonly StageJson[], features: string): readonly string[] | undefined {
  const assembler = stages.find(({ stage, into = 'features' }) => stage === 'VectorAssembler' && into === features);
  return assembler?.columns as readonly string[] | undefined;
}
