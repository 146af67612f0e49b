import { bytesOf } from '../ps/float-bytes.js';
import type { ExportOptions } from './formats/exports.js';
import type { SaveModelOptions } from './formats/model-folder.js';
import type { StageJson } from './pipeline/stage.js';
import type { ReportedModel } from './report/report.js';
import type { ReportOptions } from './report/save-report.js';

/** What a fitted network, or a pipeline that ends in one, can do to leave the cluster. Loaded when it is first used. */
export abstract class PortableModel {
  abstract toJSON(): StageJson;
  abstract readonly weights: readonly Float32Array[];

  /**
   * Saves everything needed to predict in a folder, all at once: stages, classes, network, weights, numerical plan. See
   * `loadModel`.
   * @param path a local directory, or an S3 URL
   * @throws SourceError when the path holds something and `overwrite` is not set
   * @example await model.save('models/activity', { overwrite: true })
   */
  async save(path: string, options: SaveModelOptions = {}): Promise<void> {
    const { writeModelFolder } = await import('./formats/model-folder.js');
    await writeModelFolder(path, { json: this.toJSON(), weights: this.weights }, options);
  }

  /**
   * Writes a TensorFlow SavedModel, for Python, TensorFlow Serving and others, with the weights as constants. Its signature
   * `serving_default` takes `features`, float32 [rows, inputs], and gives `probabilities` float32 [rows, classes] and
   * `classes`, the likeliest's name, string [rows]; of many labels a row the probabilities alone; of a regressor `values`.
   * @param path a local directory, or an S3 URL
   * @throws SourceError when the path holds something and `overwrite` is not set; RangeError above 2 GB of weights
   * @example await model.exportSavedModel('export/activity') // Python: tf.saved_model.load('export/activity')
   */
  async exportSavedModel(path: string, options: ExportOptions = {}): Promise<void> {
    const { exportSavedModel } = await import('./formats/exports.js');
    await exportSavedModel(this, path, options);
  }

  /**
   * Writes a TensorFlow.js LayersModel, `model.json` and `weights.bin`, for browsers and Node: features in, probabilities or
   * values out; names of classes are in its `userDefinedMetadata`.
   * @param path a local directory, or an S3 URL
   * @throws SourceError when the path holds something and `overwrite` is not set
   * @example await model.exportLayersModel('public/model') // tf.loadLayersModel('/model/model.json')
   */
  async exportLayersModel(path: string, options: ExportOptions = {}): Promise<void> {
    const { exportLayersModel } = await import('./formats/exports.js');
    await exportLayersModel(this, path, options);
  }

  /**
   * Writes an ONNX file of opset 17, for ONNX Runtime and others; inputs and outputs as of `exportSavedModel`.
   * @param path a local file
   * @throws SourceError when the file exists and `overwrite` is not set; RangeError above 2 GB of weights
   * @example await model.exportONNX('activity.onnx')
   */
  async exportONNX(path: string, options: ExportOptions = {}): Promise<void> {
    const { exportOnnx } = await import('./formats/exports.js');
    await exportOnnx(this, path, options);
  }

  /**
   * Writes a report of the training: curves, the numerical plan, and of an evaluation its measures, the confusion matrix and a
   * table of classes. An `.html` file shows itself, without a server; `.png` and `.svg` are pictures.
   * @param path a local file
   * @throws TypeError for another ending; SourceError when the file exists and `overwrite` is not set
   * @example await model.report('report.html', { evaluation: await model.evaluate(test) })
   */
  async report(path: string, options: ReportOptions = {}): Promise<void> {
    const { saveReport } = await import('./report/save-report.js');
    await saveReport(await reportedModel(this.toJSON(), this.weights), path, options);
  }
}

/** The network at the end. @throws TypeError where there is none */
async function reportedModel(json: StageJson, weights: readonly Float32Array[]): Promise<ReportedModel> {
  const last = json.stage === 'Pipeline' ? (json.stages as readonly StageJson[]).at(-1)! : json;
  const theta = weights.at(-1);
  if (!('network' in last) || !theta)
    throw new TypeError(`only a network's training can be reported, not ${last.stage}`);
  const { createHash } = await import('node:crypto');
  const weightsHash = createHash('sha256').update(bytesOf(theta)).digest('hex');
  return { ...(last as unknown as ReportedModel), theta, weightsHash };
}
