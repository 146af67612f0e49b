import type { RecordBatch } from 'apache-arrow';
import { COLUMNS, COUNT, checkForms, type Form, type Forms, oneOf, requireOption } from '../options.js';
import { type WindowOptions, windowFeatures } from '../window-features.js';
import { BatchStage, type StageJson } from './stage.js';

const NAMES: Form = [
  (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
  "an array of columns' names",
];

const FORMS: Forms<WindowOptions> = {
  size: COUNT,
  step: COUNT,
  channels: COLUMNS,
  keep: NAMES,
  missing: oneOf('error', 'drop'),
};

/**
 * `windowFeatures` as a stage of a pipeline: sensor rows become windows of them. Batches have to hold whole recordings
 * (`sc.csv(path, { batch: 'file' })`).
 *
 * @example new WindowFeatures({ channels: ['x', 'y', 'z'], keep: ['person', 'label'] })
 */
export class WindowFeatures extends BatchStage {
  /** @throws TypeError for an option that is not known, missing or of a bad value */
  constructor(readonly options: WindowOptions) {
    super();
    checkForms('WindowFeatures', options, FORMS);
    requireOption('WindowFeatures', options, 'channels');
  }

  /** @throws RangeError, Error as `windowFeatures` */
  transformBatch(batch: RecordBatch): RecordBatch {
    return windowFeatures(batch, this.options);
  }

  toJSON(): StageJson {
    return { stage: 'WindowFeatures', ...this.options };
  }

  static fromJSON({ stage: _, ...options }: StageJson): WindowFeatures {
    return new WindowFeatures(options as unknown as WindowOptions);
  }
}
