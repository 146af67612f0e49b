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

/** @throws TypeError for a stage that is not known */
export function batchStageFromJSON(json: StageJson): BatchStage {
  if (!Object.hasOwn(STAGES, json.stage))
    throw new TypeError(`there is no stage "${json.stage}"; there are ${Object.keys(STAGES).join(', ')}`);
  return STAGES[json.stage]!.fromJSON(json);
}
