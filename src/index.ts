import { usePartitionOpt } from './partition-opt/index.js';

import './rdd/shared-modules.js';

export { MLPClassifier } from './mlp/classifier.js';
export type { ClassifierOptions } from './mlp/classifier-options.js';
export { type EvaluateOptions, type Evaluation, MLPModel } from './mlp/model.js';
export { FittedScaler, StandardScaler } from './mlp/standard-scaler.js';
export { DivergedError, type EpochReport } from './mlp/trainer.js';
export { featureNames, type WindowOptions, windowFeatures } from './mlp/window-features.js';
export type { SheafEvent, TimedEvent } from './protocol/event.js';
export { Accumulator, NumberAccumulator } from './rdd/accumulator.js';
export type { Bounded } from './rdd/approximate.js';
export { ArrowRDD, type Row } from './rdd/arrow-rdd.js';
export { Broadcast } from './rdd/broadcast.js';
export { type ContextOptions, SheafContext } from './rdd/context.js';
export { filePath } from './rdd/job-files.js';
export { StorageLevel, type StorageLevelName } from './rdd/persistence/storage-level.js';
export { RDD } from './rdd/rdd.js';
export type { Order } from './rdd/smallest.js';
export { StatCounter } from './rdd/stat-counter.js';
export { takeRows } from './rdd/take-rows.js';
export { Conf } from './scheduler/conf.js';
export { EventBus } from './scheduler/event-bus.js';
export { JobError } from './scheduler/job-error.js';

usePartitionOpt();
