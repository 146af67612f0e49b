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
export type { Saved, SaveOptions } from './rdd/sinks/save.js';
export type { Order } from './rdd/smallest.js';
export type { ArffOptions } from './rdd/sources/arff.js';
export type { ArrowFileOptions } from './rdd/sources/arrow-file.js';
export type { BinaryFile } from './rdd/sources/binary.js';
export type { CsvOptions } from './rdd/sources/csv.js';
export type { ColumnType } from './rdd/sources/csv-types.js';
export type { IdxOptions } from './rdd/sources/idx.js';
export type { JsonLinesOptions } from './rdd/sources/json-lines.js';
export type { JsonType } from './rdd/sources/json-types.js';
export type { LibsvmOptions } from './rdd/sources/libsvm.js';
export type { ParquetOptions } from './rdd/sources/parquet.js';
export type { ParquetRange } from './rdd/sources/parquet-plan.js';
export { StatCounter } from './rdd/stat-counter.js';
export type { CsvSaveOptions } from './rdd/table-saves.js';
export {
  type Aggregate,
  count,
  countDistinct,
  first,
  last,
  max,
  mean,
  min,
  stdev,
  sum,
  variance,
} from './rdd/tables/aggregates.js';
export type { ColumnDescription, TableDescription } from './rdd/tables/description.js';
export type { JoinHow } from './rdd/tables/join-schema.js';
export type { ColumnValues, Matrix } from './rdd/tables/table-actions.js';
export type { GroupedTable, JoinOptions, SortColumn } from './rdd/tables/table-rows.js';
export type { TableOptions, TableTypes, TableValues } from './rdd/tables/to-table.js';
export type { TableType } from './rdd/tables/types.js';
export { takeRows } from './rdd/take-rows.js';
export { Conf } from './scheduler/conf.js';
export { EventBus } from './scheduler/event-bus.js';
export { JobError } from './scheduler/job-error.js';

usePartitionOpt();
