import { shown } from '../../rdd/arguments.js';
import { MLPClassificationModel } from '../classification-model.js';
import { layoutOf } from '../layout.js';
import type { Network } from '../network.js';
import { MLPRegressionModel } from '../regression-model.js';
import { PipelineModel } from './pipeline.js';
import type { StageJson, Transformer } from './stage.js';
import { batchStageFromJSON, restored } from './stages.js';

/**
 * A fitted stage, network or pipeline from what its `toJSON` gave.
 * @param weights what its `weights` were
 * @throws TypeError for a stage that is not known, and for what is none; RangeError for other weights than those of its networks
 * @example stageFromJSON(JSON.parse(JSON.stringify(model)), model.weights)
 */
export function stageFromJSON(json: StageJson, weights: readonly Float32Array[] = []): Transformer {
  let next = 0;
  const make = (each: StageJson): Transformer => {
    if (typeof each?.stage !== 'string')
      throw new TypeError(
        `a stage is made of the object that its toJSON gave, with its name as "stage", not of ${shown(each)}`,
      );
    if (each.stage === 'Pipeline') {
      if (!Array.isArray(each.stages))
        throw new TypeError(`a Pipeline has an array of stages, not ${shown(each.stages)}`);
      return new PipelineModel(each.stages.map(make));
    }
    if (each.stage !== 'MLPClassifier' && each.stage !== 'MLPRegressor') return batchStageFromJSON(each);
    const theta = weights[next++];
    if (!theta) throw new RangeError(`${each.stage} needs weights: those of ${weights.length} networks are there`);
    const Model = each.stage === 'MLPClassifier' ? MLPClassificationModel : MLPRegressionModel;
    const length = restored(each, () => layoutOf(each.network as unknown as Network).length);
    if (theta.length !== length)
      throw new RangeError(`${each.stage} has a network of ${length} weights, and ${theta.length} are given`);
    return Model.fromJSON(each as never, [theta]);
  };
  return make(json);
}
