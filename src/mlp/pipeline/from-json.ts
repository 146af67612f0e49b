import { MLPClassificationModel } from '../classification-model.js';
import { MLPRegressionModel } from '../regression-model.js';
import { PipelineModel } from './pipeline.js';
import type { StageJson, Transformer } from './stage.js';
import { batchStageFromJSON } from './stages.js';

/**
 * A fitted stage, network or pipeline from what its `toJSON` gave.
 * @param weights what its `weights` were
 * @throws TypeError for a stage that is not known; RangeError for fewer weights than it has networks
 * @example stageFromJSON(JSON.parse(JSON.stringify(model)), model.weights)
 */
export function stageFromJSON(json: StageJson, weights: readonly Float32Array[] = []): Transformer {
  let next = 0;
  const make = (each: StageJson): Transformer => {
    if (each.stage === 'Pipeline') return new PipelineModel((each.stages as StageJson[]).map(make));
    if (each.stage !== 'MLPClassifier' && each.stage !== 'MLPRegressor') return batchStageFromJSON(each);
    const theta = weights[next++];
    if (!theta) throw new RangeError(`${each.stage} needs weights: those of ${weights.length} networks are there`);
    const Model = each.stage === 'MLPClassifier' ? MLPClassificationModel : MLPRegressionModel;
    return Model.fromJSON(each as never, [theta]);
  };
  return make(json);
}
