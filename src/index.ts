import { usePartitionOpt } from './partition-opt/index.js';

import './rdd/shared-modules.js';

export {
  type ConfusionCount,
  type EvaluateOptions,
  type Evaluation,
  MLPClassificationModel,
} from './mlp/classification-model.js';
export { type ClassifierColumns, MLPClassifier } from './mlp/classifier.js';
export type { ClassifierOptions } from './mlp/classifier-options.js';
export { DivergedError } from './mlp/diverged.js';
export type { EarlyStoppingOptions } from './mlp/early-stopping-options.js';
export { fitMany, type NetworkEstimator } from './mlp/fit-many.js';
export type { ExportOptions } from './mlp/formats/exports.js';
export type { SaveModelOptions } from './mlp/formats/model-folder.js';
export type { ElasticOptions, GrowingBatch, LearningOptions } from './mlp/learning-options.js';
export { type LoadedModel, loadModel } from './mlp/load-model.js';
export { type FittedNetwork, MLPModel } from './mlp/model.js';
export { stageFromJSON } from './mlp/pipeline/from-json.js';
export { MinMaxScaler, MinMaxScalerModel, type MinMaxScalerOptions } from './mlp/pipeline/min-max-scaler.js';
export { OneHotEncoder, OneHotEncoderModel, type OneHotEncoderOptions } from './mlp/pipeline/one-hot-encoder.js';
export { Pipeline, PipelineModel } from './mlp/pipeline/pipeline.js';
export type { Estimator, FitColumns, Model, PlainRow, StageJson, Transformer } from './mlp/pipeline/stage.js';
export { StringIndexer, StringIndexerModel, type StringIndexerOptions } from './mlp/pipeline/string-indexer.js';
export { VectorAssembler, type VectorAssemblerOptions } from './mlp/pipeline/vector-assembler.js';
export { WindowFeatures } from './mlp/pipeline/window-features.js';
export { MLPRegressionModel, type RegressionEvaluation } from './mlp/regression-model.js';
export { MLPRegressor, type RegressorColumns, type RegressorOptions } from './mlp/regressor.js';
export type { ReportOptions } from './mlp/report/save-report.js';
export { TensorBoard } from './mlp/report/tensor-board.js';
export { CrossValidator, CrossValidatorModel, type CrossValidatorOptions } from './mlp/selection/cross-validator.js';
export type { Metric, MetricName } from './mlp/selection/metric.js';
export { ParamGridBuilder, paramGrid } from './mlp/selection/param-grid.js';
export {
  TrainValidationSplit,
  TrainValidationSplitModel,
  type TrainValidationSplitOptions,
} from './mlp/selection/train-validation-split.js';
export { FittedScaler, StandardScaler, type StandardScalerOptions } from './mlp/standard-scaler.js';
export type { CustomLoss } from './mlp/tfjs/custom-loss.js';
export type { TrainingOptions } from './mlp/training-options.js';
export type { EpochReport, StepReport, TrainingControl } from './mlp/training-reports.js';
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
