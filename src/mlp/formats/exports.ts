import { encodeSavedModel } from '../graph/saved-model.js';
import { checkForms, type Forms } from '../options.js';
import type { Transformer } from '../pipeline/stage.js';
import { type ExportPlan, exportPlan } from './export-plan.js';
import { layersModelFiles } from './layers-model.js';
import { SAVE_FORMS, type SaveModelOptions, writeFolder } from './model-folder.js';
import { encodeOnnx } from './onnx.js';
import { SERVING, tensorFlowGraph } from './tensorflow-graph.js';
import { writeWhole } from './write-whole.js';

export interface ExportOptions extends SaveModelOptions {
  /**
   * Scaler of the features that was applied before the network, outside a pipeline: it becomes part of what is exported, which
   * then takes unscaled features. Those of a pipeline always do.
   */
  readonly scaler?: Transformer;
}

/** A fitted network, or a pipeline that ends in one. */
export type Exportable = Pick<Transformer, 'toJSON' | 'weights'>;

const FORMS: Forms<ExportOptions> = {
  ...SAVE_FORMS,
  scaler: [(value) => typeof value?.toJSON === 'function', 'a fitted scaler'],
};

/** Protobuf's limit of 2 GB, less a MB for all that is no weight: what is longer, no parser reads. */
const MAX_WEIGHTS = 2 ** 31 - 2 ** 20;

/**
 * As a TensorFlow SavedModel, weights as constants, for Python, TensorFlow Serving and others. Its signature
 * `serving_default` takes `features`, float32 [rows, inputs], and gives `probabilities` float32 [rows, classes] and `classes`,
 * the likeliest's name, string [rows]; of a network with many labels a row the probabilities alone; of a regressor `values`.
 * @param path a local directory, or an S3 URL
 * @throws SourceError when the path holds something and `overwrite` is not set; RangeError above 2 GB of weights
 */
export async function exportSavedModel(model: Exportable, path: string, options: ExportOptions = {}): Promise<void> {
  const { plan } = planOf('exportSavedModel', model, options, MAX_WEIGHTS);
  const { graph, signature } = tensorFlowGraph(plan);
  const bytes = encodeSavedModel(graph.nodes, { [SERVING]: signature });
  await writeFolder(path, { 'saved_model.pb': bytes }, options.overwrite ?? false, options.storage);
}

/**
 * As a TensorFlow.js LayersModel, `model.json` and `weights.bin`, for `tf.loadLayersModel` in browsers and Node: features in,
 * probabilities or values out; the classes' names are in its `userDefinedMetadata`.
 * @param path a local directory, or an S3 URL
 * @throws SourceError when the path holds something and `overwrite` is not set
 */
export async function exportLayersModel(model: Exportable, path: string, options: ExportOptions = {}): Promise<void> {
  const { plan, metadata } = planOf('exportLayersModel', model, options);
  const { 'model.json': json, 'weights.bin': weights } = layersModelFiles(plan, metadata);
  const files = { 'weights.bin': weights, 'model.json': Buffer.from(json) };
  await writeFolder(path, files, options.overwrite ?? false, options.storage);
}

/**
 * As an ONNX file of opset 17, for ONNX Runtime and others: inputs and outputs as in `exportSavedModel`.
 * @param path a local file; its folder is made where it is missing
 * @throws SourceError when the file exists and `overwrite` is not set; RangeError above 2 GB of weights
 */
export async function exportOnnx(model: Exportable, path: string, options: ExportOptions = {}): Promise<void> {
  const { plan, metadata } = planOf('exportONNX', model, options, MAX_WEIGHTS);
  const bytes = encodeOnnx(plan, metadata);
  await writeWhole(path, bytes, options.overwrite);
}

/** @param limit of the weights' bytes */
function planOf(name: string, model: Exportable, options: ExportOptions, limit = Number.POSITIVE_INFINITY): ExportPlan {
  const { scaler } = checkForms(name, options, FORMS);
  const saved = { json: model.toJSON(), weights: model.weights ?? [] };
  const bytes = saved.weights.at(-1)?.byteLength ?? 0;
  if (bytes > limit)
    throw new RangeError(
      `${name}: the network has ${bytes} bytes of weights, and readers of the format take 2 GB at most`,
    );
  return exportPlan(saved, scaler ? [scaler.toJSON()] : []);
}
