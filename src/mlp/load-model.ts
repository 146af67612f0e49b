import type { StorageSettings } from '../rdd/storage/storage.js';
import type { MLPClassificationModel } from './classification-model.js';
import { readModelFolder, type SaveModelOptions, writeModelFolder } from './formats/model-folder.js';
import { stageFromJSON } from './pipeline/from-json.js';
import type { PipelineModel } from './pipeline/pipeline.js';
import type { Transformer } from './pipeline/stage.js';
import type { MLPRegressionModel } from './regression-model.js';

/** What `save` saves. */
export type LoadedModel = MLPClassificationModel | MLPRegressionModel | PipelineModel;

/**
 * Reads what `model.save` wrote: a fitted network, or a pipeline with all its stages. It needs no context and no TensorFlow:
 * `predict(rows)` computes in this process. With a table it works as it did before it was saved.
 *
 * ```ts
 * const model = await loadModel('models/activity');
 * await model.predict([{ x: 0.1, y: 9.8, z: 0.3 }]); // ['standing']
 * ```
 * @param path a local directory, or an `s3://` or `http(s)://` URL
 * @param storage for S3: what `sheaf.s3.*` would say of endpoint and region; credentials come from the environment
 * @throws SourceError naming the file that is missing, incomplete or damaged, or of a newer version; TypeError for a stage
 *   that this version does not know
 */
export async function loadModel(path: string, storage: StorageSettings = {}): Promise<LoadedModel> {
  const { json, weights } = await readModelFolder(path, storage);
  return stageFromJSON(json, weights) as LoadedModel;
}

/** As `model.save`, of any fitted stage. */
export async function saveModel(
  model: Pick<Transformer, 'toJSON' | 'weights'>,
  path: string,
  options: SaveModelOptions = {},
  storage: StorageSettings = {},
): Promise<void> {
  await writeModelFolder(path, { json: model.toJSON(), weights: model.weights ?? [] }, options, storage);
}
