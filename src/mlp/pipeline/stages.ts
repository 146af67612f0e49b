import { FittedScaler } from '../standard-scaler.js';
import { MinMaxScalerModel } from './min-max-scaler.js';
import { OneHotEncoderModel } from './one-hot-encoder.js';
import type { BatchStage, StageJson } from './stage.js';
import { StringIndexerModel } from './string-indexer.js';
import { VectorAssembler } from './vector-assembler.js';
import { WindowFeatures } from './window-features.js';

/** Stages by the name in their JSON. */
const STAGES: Readonly<Record<string, { fromJSON(json: any): BatchStage }>> = {
  StandardScaler: FittedScaler,
  MinMaxScaler: MinMaxScalerModel,
  StringIndexer: StringIndexerModel,
  OneHotEncoder: OneHotEncoderModel,
  VectorAssembler,
  WindowFeatures,
};

/** @throws TypeError for a stage that is not known, and for what is none of its kind */
export function batchStageFromJSON(json: StageJson): BatchStage {
  if (!Object.hasOwn(STAGES, json.stage))
    throw new TypeError(`there is no stage "${json.stage}"; there are ${Object.keys(STAGES).join(', ')}`);
  return restored(json, () => STAGES[json.stage]!.fromJSON(json));
}

/** @throws TypeError naming the stage in whose JSON something is missing or odd */
export function restored<T>({ stage }: StageJson, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new TypeError(`this is no ${stage} that toJSON gave: ${(error as Error).message}`, { cause: error });
  }
}
