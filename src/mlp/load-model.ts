import type { StorageSettings } from '../rdd/storage/storage.js';
import type { MLPClassificationModel } from './classification-model.js';
import { readModelFolder } from './formats/model-folder.js';
import { stageFromJSON } from './pipeline/from-json.js';
import type { PipelineModel } from './pipeline/pipeline.js';
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
 * @param options where S3 is, when not where the environment says; credentials always come from there
 * @throws SourceError naming the file that is missing, incomplete or damaged, or of a newer version; TypeError for a stage
 *   that this version does not know
 */
export async function loadModel(
  path: string,
  { storage = {} }: { readonly storage?: StorageSettings } = {},
): Promise<LoadedModel> {
  const { json, weights } = await readModelFolder(path, storage);
  return stageFromJSON(json, weights) as LoadedModel;
}
